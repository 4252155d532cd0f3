"""ministack's shards as AWS's: one that was split or merged takes no more records, keeps those that it has for the stream's
retention, and is read to its end before its children are, from their beginning."""

import time

from ministack.services import kinesis, lambda_svc

poll = lambda_svc._poll_kinesis
split, merge = kinesis._split_shard, kinesis._merge_shards
expire, list_shards, shard_out = kinesis._expire_records, kinesis._list_shards, kinesis._shard_out


def keeping_parents(reshard):
    """What was split or merged is put before its children again, closed."""

    def resharded(data):
        _, stream = kinesis._resolve_stream(data)
        if stream is None:
            return reshard(data)
        before = stream["shards"]
        # Who goes through the shards just now goes through the old ones.
        stream["shards"] = dict(before)
        end = {"ended_at": kinesis._next_sequence_number(), "closed_at": time.time()}
        answer = reshard(data)
        for name in before.keys() - stream["shards"].keys():
            before[name].update(end)
        stream["shards"] = before | stream["shards"]
        return answer

    return resharded


def route_to_open_shard(hash_key, stream):
    for name, shard in stream["shards"].items():
        is_open = "closed_at" not in shard
        if is_open and int(shard["starting_hash_key"]) <= hash_key <= int(shard["ending_hash_key"]):
            return name
    raise KeyError(f"no shard takes the hash key {hash_key}")


def forget_closed_shards(stream):
    oldest = time.time() - stream["RetentionPeriodHours"] * 3600
    for name, shard in list(stream["shards"].items()):
        if shard.get("closed_at", oldest) < oldest:
            del stream["shards"][name]
    expire(stream)


def list_kept_shards(data):
    _, stream = kinesis._resolve_stream(data)
    if stream:
        forget_closed_shards(stream)
    return list_shards(data)


def shard_and_its_end(name, shard):
    told = shard_out(name, shard)
    if "ended_at" in shard:
        told["SequenceNumberRange"]["EndingSequenceNumber"] = shard["ended_at"]
    return told


def poll_parents_first():
    seen = {mapping: set(positions) for mapping, positions in lambda_svc._kinesis_positions._data.items()}
    try:
        processed = poll()
    finally:
        has_begun = begin_children(seen)
    return processed or has_begun


def begin_children(seen):
    """ministack begins a shard that it had not seen where it ends. It does not read it in the round that it first sees it in."""
    has_begun = False
    for account, region, mapping in lambda_svc._iter_all_esms():
        key = (account, region, mapping["UUID"])
        positions = lambda_svc._kinesis_positions._data.get(key, {})
        shards = shards_of(mapping["EventSourceArn"])
        fresh = positions.keys() & shards.keys() - seen.get(key, positions.keys())
        for name in fresh:
            del positions[name]
        for name in sorted(fresh):
            parents = [shards[name].get(kind) for kind in ("parent_shard_id", "adjacent_parent_shard_id")]
            if all(is_read(parent, shards, positions) for parent in parents):
                positions[name] = 0
                has_begun = True
    return has_begun


def shards_of(arn):
    return next((stream["shards"] for stream in kinesis._streams._data.values() if stream["StreamARN"] == arn), {})


def is_read(shard, shards, positions):
    return shard not in shards or positions.get(shard, 0) >= len(shards[shard]["records"])


lambda_svc._poll_kinesis = poll_parents_first
kinesis._split_shard, kinesis._merge_shards = keeping_parents(split), keeping_parents(merge)
kinesis._route_to_shard = route_to_open_shard
kinesis._expire_records = forget_closed_shards
kinesis._list_shards = list_kept_shards
kinesis._shard_out = shard_and_its_end
