"""ministack, with the things of AWS that the road can't do without. A batch of a stream that failed in part is repeated from
the first record that failed (`ReportBatchItemFailures`). Sequence numbers are of 56 digits without leading zeros: they
are compared as text in there, and who keeps them as numbers sends them back without zeros. Athena reads a Delta table as its
log has it, and the catalog's views; and whoever may use a workgroup may look at its statements, too.

What else is as on AWS is beside this file: the shards of a split (emulated_shards.py), the HTTP API (emulated_api.py),
dropped files (emulated_drops.py). And faults, on demand (emulated_faults.py).

For the pinned version (tests/live/aws/requirements.txt): it holds on to names inside.
"""

import base64
import json
import os
import urllib.parse

import emulated_api  # noqa: F401 - these change what is there
import emulated_drops  # noqa: F401
import emulated_faults  # noqa: F401
import emulated_shards  # noqa: F401
from ministack.app import main
from ministack.core import iam_actions
from ministack.services import athena, glue, kinesis, lambda_svc, s3

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


def active_files(location, workdirs, every_file=athena._materialize_table_files):
    files = every_file(location, workdirs)
    paths = paths_in_log(location)
    if not files or paths is None:
        return files
    return [file for file in files if os.path.relpath(file, workdirs[-1]) in paths]


def paths_in_log(location):
    """`None`: there is no log, so it is no Delta table. All of the log is read: nothing here is older than its retention."""
    place = urllib.parse.urlparse(location)
    log = place.path.lstrip("/").rstrip("/") + "/_delta_log/"
    objects = (s3._buckets.get(place.netloc) or {"objects": {}})["objects"]
    commits = sorted(key for key in list(objects) if key.startswith(log) and key.endswith(".json"))
    paths = set()
    for commit in commits:
        for line in s3._get_object_data(place.netloc, commit).splitlines():
            action = json.loads(line)
            if "add" in action:
                paths.add(action["add"]["path"])
            elif "remove" in action:
                paths.discard(action["remove"]["path"])
    return paths if commits else None


DATE = [{"Name": "date", "Type": "date"}]


def partitions(table, files, of_glue=athena._path_partition_keys):
    is_delta = (table.get("Parameters") or {}).get("table_type") == "DELTA"
    return DATE if is_delta and files else of_glue(table, files)


def options(partitions, of_glue=athena._hive_options):
    """DuckDB takes a date for one by itself, and in a join it takes no other word for it."""
    return "hive_partitioning = true" if partitions is DATE else of_glue(partitions)


async def with_views(query, database, catalog=None, with_tables=athena._rewrite_data_paths):
    for found in reversed(athena._table_references(query)):
        text = (glue._tables.get(f"{found.database or database}/{found.table}") or {}).get("ViewOriginalText") or ""
        if text.startswith("/* Presto View: "):
            view = json.loads(base64.b64decode(text.split()[3]))["originalSql"]
            named = "" if found.aliased else f" AS {found.table}"
            query = f"{query[:found.start]}({view}){named}{query[found.end:]}"
    return await with_tables(query, database, catalog)


def workgroup_of(body):
    """A request that names a statement, as one that names the statement's workgroup."""
    statement = athena._executions.get(json.loads(body or b"{}").get("QueryExecutionId"))
    return json.dumps({"WorkGroup": statement["WorkGroup"]}).encode() if statement else body


def resource(service, method, path, headers, body, *rest, named=iam_actions.extract_resource_arn):
    return named(service, method, path, headers, workgroup_of(body) if service == "athena" else body, *rest)


athena._materialize_table_files = active_files
athena._path_partition_keys = partitions
athena._hive_options = options
athena._rewrite_data_paths = with_views
iam_actions.extract_resource_arn = resource
lambda_svc._execute_function = invoke_and_heed
kinesis._next_sequence_number = as_long_as_on_aws

if __name__ == "__main__":
    main()
