"""ministack's HTTP API as AWS's: a preflight goes to its route where the API itself has no CORS settings, and a body that is
encoded reaches its function as the bytes that it is."""

import contextvars

from ministack.services import apigateway

execute, match = apigateway._handle_execute_in_scope, apigateway._match_route
invoke, is_text = apigateway._invoke_lambda_proxy, apigateway._v2_request_body_is_text

# ministack answers `OPTIONS` before it looks for a route; in small letters it does not know it.
PREFLIGHT = "options"
is_encoded = contextvars.ContextVar("is_encoded", default=False)


async def execute_preflights_too(api, stage, path, method, *rest, **more):
    has_settings = (apigateway._apis.get(api) or {}).get("corsConfiguration")
    method = PREFLIGHT if method == "OPTIONS" and not has_settings else method
    return await execute(api, stage, path, method, *rest, **more)


def match_preflights_too(api, method, path):
    return match(api, method.upper(), path)


async def invoke_with_bytes(integration, api, stage, path, method, headers, *rest, **more):
    is_encoded.set("content-encoding" in headers)
    return await invoke(integration, api, stage, path, method.upper(), headers, *rest, **more)


def is_plain_text(content_type):
    return not is_encoded.get() and is_text(content_type)


apigateway._handle_execute_in_scope = execute_preflights_too
apigateway._match_route = match_preflights_too
apigateway._invoke_lambda_proxy = invoke_with_bytes
apigateway._v2_request_body_is_text = is_plain_text
