"""The OpenAPI document that is served is one, by OpenAPI's own schema."""

import json
import os
from urllib.request import urlopen

from openapi_spec_validator import OpenAPIV31SpecValidator

with urlopen(f"{os.environ['CDP_URL'].rstrip('/')}/v1/openapi.json") as answer:
    document = json.load(answer)
OpenAPIV31SpecValidator(document).validate()
print(f"{len(document['paths'])} paths")
