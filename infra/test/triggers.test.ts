import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Match } from 'aws-cdk-lib/assertions'

import { templateOf } from './synthesized.ts'

const template = templateOf('prod')

test('ingest takes a shard in order, whole batches, for as long as the stream keeps them', () => {
  template.hasResourceProperties('AWS::Lambda::EventSourceMapping', {
    EventSourceArn: { 'Fn::GetAtt': [Match.stringLikeRegexp('^Stream'), 'Arn'] },
    StartingPosition: 'TRIM_HORIZON',
    ParallelizationFactor: 1,
    BatchSize: 10_000,
    MaximumBatchingWindowInSeconds: 5,
    FunctionResponseTypes: ['ReportBatchItemFailures'],
    BisectBatchOnFunctionError: false,
    MaximumRetryAttempts: -1,
    MaximumRecordAgeInSeconds: 6 * 24 * 3600,
    DestinationConfig: { OnFailure: { Destination: { 'Fn::GetAtt': [Match.stringLikeRegexp('^IngestDeadLetters'), 'Arn'] } } },
  })
})

test('a file that was put wakes drops, one at a time, and comes again after its worker', () => {
  template.hasResourceProperties('AWS::S3::Bucket', {
    NotificationConfiguration: {
      QueueConfigurations: [{ Event: 's3:ObjectCreated:*', Queue: { 'Fn::GetAtt': [Match.stringLikeRegexp('^DropsQueue'), 'Arn'] } }],
    },
  })
  template.hasResourceProperties('AWS::Lambda::EventSourceMapping', {
    EventSourceArn: { 'Fn::GetAtt': [Match.stringLikeRegexp('^DropsQueue'), 'Arn'] },
    BatchSize: 1,
    ScalingConfig: { MaximumConcurrency: 10 },
  })
  template.hasResourceProperties('AWS::SQS::Queue', {
    VisibilityTimeout: 16 * 60,
    RedrivePolicy: {
      deadLetterTargetArn: { 'Fn::GetAtt': [Match.stringLikeRegexp('^DropsDeadLetters'), 'Arn'] },
      maxReceiveCount: 5,
    },
  })
  template.hasResourceProperties('AWS::Lambda::Function', {
    Timeout: 15 * 60,
    RecursiveLoop: 'Allow',
    Environment: { Variables: Match.objectLike({ CDP_DROP_TRIES: '5' }) },
  })
})

test('a new entry of the outbox wakes commit, and nothing else of State does', () => {
  template.hasResourceProperties('AWS::Lambda::EventSourceMapping', {
    EventSourceArn: { 'Fn::GetAtt': [Match.stringLikeRegexp('^State'), 'StreamArn'] },
    FilterCriteria: {
      Filters: [{ Pattern: '{"eventName":["INSERT"],"dynamodb":{"Keys":{"partition":{"S":[{"prefix":"outbox/"}]}}}}' }],
    },
  })
  template.hasResourceProperties('AWS::DynamoDB::Table', { StreamSpecification: { StreamViewType: 'KEYS_ONLY' } })
})

test('commit runs each minute, maintain each quarter of an hour, and neither is repeated', () => {
  for (const [target, rate] of [['Commit', 'rate(1 minute)'], ['Maintain', 'rate(15 minutes)']]) {
    template.hasResourceProperties('AWS::Events::Rule', {
      ScheduleExpression: rate,
      Targets: [Match.objectLike({
        Arn: { 'Fn::GetAtt': [Match.stringLikeRegexp(`^${target}`), 'Arn'] },
        RetryPolicy: Match.objectLike({ MaximumRetryAttempts: 0 }),
      })],
    })
    template.hasResourceProperties('AWS::Lambda::EventInvokeConfig', {
      FunctionName: { Ref: Match.stringLikeRegexp(`^${target}`) },
      MaximumRetryAttempts: 0,
    })
  }
})

test('a job of a replay is one worker\'s, who may send itself the rest', () => {
  template.hasResourceProperties('AWS::Lambda::EventSourceMapping', {
    EventSourceArn: { 'Fn::GetAtt': [Match.stringLikeRegexp('^ReplayJobs'), 'Arn'] },
    BatchSize: 1,
    ScalingConfig: { MaximumConcurrency: 2 },
  })
  template.hasResourceProperties('AWS::SQS::Queue', {
    VisibilityTimeout: 30 * 60,
    RedrivePolicy: { deadLetterTargetArn: { 'Fn::GetAtt': [Match.stringLikeRegexp('^ReplayDeadLetters'), 'Arn'] }, maxReceiveCount: 3 },
  })
  template.hasResourceProperties('AWS::Lambda::Function', { Timeout: 5 * 60, RecursiveLoop: 'Allow', EphemeralStorage: { Size: 2048 } })
})

test('calls of SDKs and webhooks reach collect, questions about people reach profiles', () => {
  const integrations = template.findResources('AWS::ApiGatewayV2::Integration')
  const routes = Object.values(template.findResources('AWS::ApiGatewayV2::Route')).map(({ Properties: { RouteKey, Target } }) => {
    const integration = integrations[Target['Fn::Join'][1][1].Ref]!
    assert.equal(integration.Properties.PayloadFormatVersion, '2.0')
    const target = integration.Properties.IntegrationUri['Fn::GetAtt'][0] as string
    return `${RouteKey} → ${/^[A-Z][a-z]+?(?=Function)/.exec(target)![0]}`
  })
  assert.deepEqual(routes.sort(), [
    'GET /v1/openapi.json → Profiles',
    'GET /v1/profiles/{name+} → Profiles',
    'GET /v1/projects/{write_key}/settings → Collect',
    'GET /v1/spaces/{asked+} → Profiles',
    'OPTIONS /v1/projects/{write_key}/settings → Collect',
    'OPTIONS /v1/{call} → Collect',
    'POST /v1/webhooks/{source} → Collect',
    'POST /v1/{call} → Collect',
  ])
})

test('each function has the variables that it needs, and no other', () => {
  const functions = Object.entries(template.findResources('AWS::Lambda::Function'))
  const variables = Object.fromEntries(functions.map(([id, { Properties }]) => [
    /^[A-Z][a-z]+?(?=Function)/.exec(id)![0],
    Object.keys(Properties.Environment.Variables).sort().join(' '),
  ]))
  assert.deepEqual(variables, {
    Collect: 'CDP_SECRETS CDP_SECRETS_VERSION CDP_STREAM RUST_LOG SSL_CERT_FILE',
    Ingest: 'CDP_LAKE CDP_STATE_TABLE RUST_LOG SSL_CERT_FILE',
    Drops: 'CDP_DROP_QUEUE CDP_DROP_TRIES CDP_LAKE CDP_STATE_TABLE RUST_LOG SSL_CERT_FILE',
    Commit: 'CDP_LAKE CDP_STATE_TABLE RUST_LOG SSL_CERT_FILE',
    Maintain: 'CDP_LAKE CDP_STATE_TABLE CDP_STREAM RUST_LOG SSL_CERT_FILE',
    Replay: 'CDP_DEAD_LETTERS CDP_LAKE CDP_QUEUE CDP_STATE_TABLE CDP_STREAM RUST_LOG SSL_CERT_FILE',
    Profiles: 'CDP_DATABASE CDP_SECRETS CDP_SECRETS_VERSION CDP_STATE_TABLE CDP_WORKGROUP RUST_LOG SSL_CERT_FILE',
  })
})
