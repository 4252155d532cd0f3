"""What dropped files need of AWS, and ministack does otherwise:
- A range of an object's version is that range, not the whole.
- A stack may have a server of Transfer Family, and users. What comes by SFTP is put into the bucket as everybody's objects are,
  with a version and a notification.
"""

import asyncio

from ministack.services import s3, transfer
from ministack.services.cloudformation import provisioners

get = s3._get_object


def get_in_range(bucket, key, headers, query=None):
    asked = headers.get("range") if s3._qp(query or {}, "versionId", "") else None
    if not asked:
        return get(bucket, key, headers, query)
    # The whole object's checksum is none of a part.
    status, answer, body = get(bucket, key, {**headers, "x-amz-checksum-mode": ""}, query)
    if status != 200:
        return status, answer, body
    wanted = s3._parse_range(asked, len(body))
    if wanted is None:
        return s3._error("InvalidRange", "The requested range is not satisfiable", 416, f"/{bucket}/{key}")
    start, end = wanted
    part = body[start : end + 1]
    return 206, {**answer, "Content-Length": str(len(part)), "Content-Range": f"bytes {start}-{end}/{len(body)}"}, part


def create_server(_logical_id, props, _stack):
    server = transfer._server_id()
    arn = transfer._server_arn(server)
    kept = ("EndpointType", "IdentityProviderType", "Protocols", "Domain")
    transfer._servers[server] = {
        **{name: props[name] for name in kept},
        "ServerId": server,
        "Arn": arn,
        "State": "ONLINE",
        "UserCount": 0,
        "Tags": props.get("Tags", []),
    }
    # It listens soon; the first user comes later.
    asyncio.get_running_loop().create_task(transfer.sftp_start())
    return arn, {"ServerId": server, "Arn": arn, "State": "ONLINE"}


def update_server(arn, _old, _new, _stack):
    return arn, {"ServerId": arn.rsplit("/", 1)[1], "Arn": arn, "State": "ONLINE"}


def delete_server(arn, _props):
    transfer._servers.pop(arn.rsplit("/", 1)[1], None)


def create_user(_logical_id, props, _stack):
    status, _, body = transfer._create_user(props)
    if status != 200:
        raise ValueError(f"AWS::Transfer::User {props.get('UserName')}: {body!r}")
    whose = {"ServerId": props["ServerId"], "UserName": props["UserName"]}
    for key in props.get("SshPublicKeys", []):
        transfer._import_ssh_public_key({**whose, "SshPublicKeyBody": key})
    arn = transfer._user_arn(*whose.values())
    return arn, {**whose, "Arn": arn}


def update_user(arn, old, new, stack):
    delete_user(arn, old)
    return create_user(None, new, stack)


def delete_user(_arn, props):
    transfer._delete_user({"ServerId": props["ServerId"], "UserName": props["UserName"]})


def put_as_others_do(account, bucket, key, body):
    with s3._in_account(account):
        status, _, answer = s3._put_object(bucket, key, body, {})
    if status != 200:
        raise OSError(f"{bucket}/{key}: {answer!r}")


provisioners._RESOURCE_HANDLERS["AWS::Transfer::Server"] = {
    "create": create_server,
    "update": update_server,
    "delete": delete_server,
}
provisioners._RESOURCE_HANDLERS["AWS::Transfer::User"] = {
    "create": create_user,
    "update": update_user,
    "delete": delete_user,
}
s3._get_object = get_in_range
transfer._sftp_s3_put_object = put_as_others_do
