"""What a function of Python does before its first event: its SDK, a client, and the first poll."""

import http.client
import os

import boto3

state = boto3.client("dynamodb")
runtime = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
runtime.request("GET", "/2018-06-01/runtime/invocation/next")
runtime.getresponse()
