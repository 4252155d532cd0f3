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

test('a page is where the context says, in an alarm and on the dashboard', () => {
  for (const runbookUrl of ['https://example.com/docs', 'https://example.com/docs/']) {
    const elsewhere = templateOf('prod', { runbookUrl })
    for (const { Properties } of Object.values(elsewhere.findResources('AWS::CloudWatch::Alarm'))) {
      assert.match(Properties.AlarmDescription, /What to do: https:\/\/example\.com\/docs\/[a-z-]+\.md$/)
    }
    const dashboard = JSON.stringify(elsewhere.findResources('AWS::CloudWatch::Dashboard'))
    for (const page of pages) assert.ok(dashboard.includes(`[${page}](https://example.com/docs/${page})`), page)
  }
  const dashboard = JSON.stringify(template.findResources('AWS::CloudWatch::Dashboard'))
  for (const page of pages) assert.ok(dashboard.includes(`- docs/runbook/${page}`), page)
})

test('a record that is refused, a late commit and a silent ingest ring', () => {
  const ofFunction = (name: string) => [{ Name: 'FunctionName', Value: { Ref: Match.stringLikeRegexp(`^${name}Function`) } }]
  for (const name of ['Ingest', 'Drops']) {
    templateOf('prod', { quarantineToAlarm: '7' }).hasResourceProperties('AWS::CloudWatch::Alarm', {
      Namespace: 'cdp',
      MetricName: 'EventsQuarantined',
      Dimensions: ofFunction(name),
      Statistic: 'Sum',
      Threshold: 7,
    })
  }
  template.hasResourceProperties('AWS::CloudWatch::Alarm', {
    Namespace: 'cdp',
    MetricName: 'CommitLagSeconds',
    Dimensions: ofFunction('Commit'),
    Statistic: 'Maximum',
    Threshold: 300,
  })
  template.hasResourceProperties('AWS::CloudWatch::Alarm', {
    Namespace: 'AWS/Kinesis',
    MetricName: 'GetRecords.Success',
    ComparisonOperator: 'LessThanThreshold',
    TreatMissingData: 'breaching',
  })
})

test('each function that is throttled rings', () => {
  const throttles = alarms.filter(({ MetricName }) => MetricName === 'Throttles').map(({ Dimensions }) => Dimensions[0].Value.Ref)
  assert.deepEqual(throttles.sort(), Object.keys(template.findResources('AWS::Lambda::Function')).sort())
})

test('no alarm is of an expression, which the emulator has none of', () => {
  for (const { Metrics } of alarms) assert.equal(Metrics, undefined)
})

test('the index of the runbook names each page', () => {
  const index = readFileSync(new URL('README.md', RUNBOOK), 'utf8')
  for (const page of pages) assert.ok(index.includes(`(${page})`), `docs/runbook/README.md does not link to ${page}`)
})

test('what the runbook asks the stack for, its outputs have', () => {
  const outputs = Object.keys(template.findOutputs('*'))
  const asked = readdirSync(RUNBOOK).flatMap((page) => [...readFileSync(new URL(page, RUNBOOK), 'utf8').matchAll(/\$\(output (\w+)\)/g)])
  assert.ok(asked.length > 0)
  for (const [, name] of asked) assert.ok(outputs.includes(name!), name)
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
