import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'

import { templateOf } from './synthesized.ts'

const RUNBOOK = new URL('../../docs/runbook/', import.meta.url)
const pages = readdirSync(RUNBOOK).filter((page) => page !== 'README.md')
const alarms = Object.values(templateOf('prod').findResources('AWS::CloudWatch::Alarm')).map(({ Properties }) => Properties)

test('each alarm says which page to read, and each page is that of an alarm', () => {
  const linked = alarms.map(({ AlarmDescription }) => /docs\/runbook\/([a-z-]+\.md)$/.exec(AlarmDescription)?.[1] ?? AlarmDescription)
  assert.deepEqual([...new Set(linked)].sort(), pages.sort())
})

test('the index of the runbook names each page', () => {
  const index = readFileSync(new URL('README.md', RUNBOOK), 'utf8')
  for (const page of pages) assert.ok(index.includes(`(${page})`), `docs/runbook/README.md does not link to ${page}`)
})

test('each alarm tells the topic when it rings and when it is over', () => {
  for (const { AlarmActions, OKActions } of alarms) {
    assert.equal(AlarmActions.length, 1)
    assert.deepEqual(OKActions, AlarmActions)
  }
})

test('an address in the context is told', () => {
  templateOf('prod', { alarmEmail: 'on-call@example.com' }).hasResourceProperties('AWS::SNS::Subscription', {
    Protocol: 'email',
    Endpoint: 'on-call@example.com',
  })
})
