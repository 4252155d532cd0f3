import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'

import { Match } from 'aws-cdk-lib/assertions'

import { templateOf } from './synthesized.ts'

const RUNBOOK = new URL('../../docs/runbook/', import.meta.url)
const pages = readdirSync(RUNBOOK).filter((page) => page !== 'README.md')
const template = templateOf('prod')
const alarms = Object.values(template.findResources('AWS::CloudWatch::Alarm')).map(({ Properties }) => Properties)

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

test('the topic takes alarms of the stack, and refuses requests without TLS', () => {
  const topic = { Ref: Match.stringLikeRegexp('^WatchAlarms') }
  const ofStack = ['', ['arn:', { Ref: 'AWS::Partition' }, ':cloudwatch:', { Ref: 'AWS::Region' }, ':', { Ref: 'AWS::AccountId' }, ':alarm:cdp-prod-*']]
  const allowed = {
    Sid: 'AlarmsOfTheStack',
    Effect: 'Allow',
    Principal: { Service: 'cloudwatch.amazonaws.com' },
    Action: 'sns:Publish',
    Resource: topic,
    Condition: { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } }, ArnLike: { 'aws:SourceArn': { 'Fn::Join': ofStack } } },
  }
  const denied = Match.objectLike({ Effect: 'Deny', Action: 'sns:Publish', Condition: { Bool: { 'aws:SecureTransport': 'false' } } })
  template.hasResourceProperties('AWS::SNS::TopicPolicy', {
    Topics: [topic],
    PolicyDocument: { Statement: Match.arrayWith([denied, allowed]) },
  })
  // The emulator has no TLS, and its topic takes alarms all the same.
  templateOf('dev', { emulator: 'true' }).hasResourceProperties('AWS::SNS::TopicPolicy', {
    PolicyDocument: { Statement: [Match.objectLike({ Effect: 'Allow', Action: 'sns:Publish' })] },
  })
})

test('an address in the context is told', () => {
  templateOf('prod', { alarmEmail: 'on-call@example.com' }).hasResourceProperties('AWS::SNS::Subscription', {
    Protocol: 'email',
    Endpoint: 'on-call@example.com',
  })
})
