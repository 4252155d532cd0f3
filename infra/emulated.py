"""ministack, with the two things of AWS that the road can't do without. A batch of a stream that failed in part is repeated from
the first record that failed (`ReportBatchItemFailures`). And sequence numbers are of 56 digits without leading zeros: they
are compared as text in there, and who keeps them as numbers sends them back without zeros. And what dropped files
need: see emulated_drops.py.

For the pinned version (tests/live/aws/requirements.txt): it holds on to names inside.
"""

import emulated_drops  # noqa: F401 - it changes what is there
from ministack.app import main
from ministack.services import kinesis, lambda_svc

invoke = lambda_svc._execute_function


def invoke_and_heed(function, event):
    result = invoke(function, event)
    records = event.get("Records", []) if isinstance(event, dict) else []
    if result.get("error") or not records or records[0].get("eventSource") != "aws:kinesis":
        return result
    mapping = mapping_of(function, records[0]["eventSourceARN"])
    if mapping is None or "ReportBatchItemFailures" not in mapping.get("FunctionResponseTypes", []):
        return result
    body = result.get("body")
    failures = (body.get("batchItemFailures") if isinstance(body, dict) else None) or []
    if not failures:
        return result

    numbers = [record["kinesis"]["sequenceNumber"] for record in records]
    done = min(first_undone(numbers, failure) for failure in failures)
    shard = records[0]["eventID"].split(":")[0]
    # An error leaves the position where it is: here.
    lambda_svc._kinesis_positions[mapping["UUID"]][shard] += done
    message = f"the function named records that failed: {done} of {len(records)} are done"
    return {**result, "error": True, "body": {"errorType": "ReportBatchItemFailures", "errorMessage": message}}


def first_undone(numbers, failure):
    """An answer that names no record of the batch fails the whole batch, as on AWS."""
    try:
        wanted = int(failure["itemIdentifier"])
        return [int(number) for number in numbers].index(wanted)
    except (KeyError, TypeError, ValueError):
        return 0


def mapping_of(function, stream):
    name = (function.get("config") or function).get("FunctionName")
    for _, _, mapping in lambda_svc._iter_all_esms():
        if mapping.get("EventSourceArn") == stream and mapping.get("FunctionName") == name:
            return mapping
    return None


def as_long_as_on_aws(next_number=kinesis._next_sequence_number):
    return "49" + next_number().rjust(54, "0")


lambda_svc._execute_function = invoke_and_heed
kinesis._next_sequence_number = as_long_as_on_aws

if __name__ == "__main__":
    main()
