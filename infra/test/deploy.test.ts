import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { adviceOn } from '../lib/advice.ts'
import { contextsOf, keptOf, nameOf } from '../lib/contexts.ts'
import { Refusal } from '../lib/refusal.ts'
import { readSettings } from '../lib/settings.ts'
import { readDropSources } from '../lib/sources.ts'
import { appOf, temporaryFolder } from './synthesized.ts'

test('contexts are found among cdk\'s arguments, in each way to write them', () => {
  const args = ['-c', 'stage=prod', '--context', 'name=two', '--tags', 'shards=1', '--context=burst=7', '-cdropDays=9', '-c', '@aws-cdk/core:x=true']
  assert.deepEqual(contextsOf(args), { stage: 'prod', name: 'two', burst: '7', dropDays: '9', '@aws-cdk/core:x': 'true' })
  assert.throws(() => contextsOf(['-c', 'shard=2']), /-c shard: there is no such context; there are stage, name, shards/)
})

test('aws.toml has a table for each deployment, and the command line goes first', () => {
  const text = '[dev]\nshards = 2\n[prod]\nshards = 4\nalarmEmail = "on-call@example.com"\n[two]\nstage = "prod"'
  for (const [args, name, kept] of [
    [[], 'dev', { shards: '2' }],
    [['-c', 'stage=prod'], 'prod', { shards: '4', alarmEmail: 'on-call@example.com' }],
    [['-c', 'stage=prod', '-c', 'shards=8'], 'prod', { alarmEmail: 'on-call@example.com' }],
    [['-c', 'name=two'], 'two', { stage: 'prod' }],
    [['-c', 'name=three'], 'three', {}],
  ] as const) {
    const given = contextsOf(args)
    assert.deepEqual([nameOf(given), keptOf(text, given)], [name, kept])
  }
  for (const [wrong, told] of [
    ['dev = 1', /dev is no table/],
    ['[dev]\nshard = 1', /\[dev\] shard: there is no such context/],
    ['[dev]\nshards = [1]', /\[dev\] shards: a text or a number/],
    ['[dev]\nname = "two"', /take the line `name` out/],
  ] as const) assert.throws(() => keptOf(wrong, {}), told)
})

test('what cdp.toml says for one machine alone is told, and a prod that tells nobody of alarms', () => {
  const file = join(temporaryFolder(), 'cdp.toml')
  writeFileSync(file, '[stream]\nname = "events"\nshards = 3\n[retention]\nstream_hours = 72\n[limits]\ningest_records = 5\nrequest_bytes = 70000\n')
  const advice = (context: Record<string, string>) => adviceOn(readSettings(appOf(context).node), file)
  assert.deepEqual(advice({ shards: '3' }), [
    'cdp.toml: retention.stream_hours = 72 is not heeded on AWS: the stream keeps 24 hours, by its stage',
    'cdp.toml: limits.ingest_records = 5 is not heeded on AWS: a batch waits 5 s, by the context batchSeconds',
  ])
  assert.deepEqual(advice({ stage: 'prod', batchSeconds: '60' }), [
    'nobody is told of alarms: give the context alarmEmail, or subscribe to the topic of the output AlarmTopic',
    'cdp.toml: stream.shards = 3 is not heeded on AWS: the stream is on demand, by the context shards',
    'cdp.toml: retention.stream_hours = 72 is not heeded on AWS: the stream keeps 168 hours, by its stage',
    'cdp.toml: limits.ingest_records = 5 is not heeded on AWS: a batch waits 60 s, by the context batchSeconds',
  ])
})

test('a cdp.toml as `cdp init` writes it surprises nobody', () => {
  const template = join(import.meta.dirname, '../../crates/cdp-deployment/src/template.toml')
  assert.deepEqual(adviceOn(readSettings(appOf({}).node), template), [])
})

test('what a person wrote wrong is refused in one line, which says where it is', () => {
  const file = join(temporaryFolder(), 'cdp.toml')
  for (const [text, told] of [
    ['[stream]\nname = events', /^cdp\.toml, line 2: .+$/],
    ['[drops.partner]\nsftp_keys = "ssh-ed25519 AAAA"', /^cdp\.toml: drops\.partner\.sftp_keys: a list of public keys, each a text$/],
  ] as const) {
    writeFileSync(file, text)
    assert.throws(() => readDropSources(file), (fault) => fault instanceof Refusal && told.test(fault.message))
  }
  assert.throws(() => readSettings(appOf({ name: 'Dev_2' }).node), Refusal)
  assert.throws(() => keptOf('[dev]\nshards =', {}), Refusal)
})
