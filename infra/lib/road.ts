/**
 * The road on AWS: stream → ingest → state and lake → commit → tables, and the two functions behind the HTTP API.
 *
 * Order here is the order of the road. What is not yet in `functions/` has no resource here.
 */
import { CfnOutput, Stack, type StackProps, Tags } from 'aws-cdk-lib'
import type { Construct } from 'constructs'

import { Collect } from './collect.ts'
import { Commit } from './commit.ts'
import { Drops } from './drops.ts'
import { Front } from './front.ts'
import { Ingest } from './ingest.ts'
import { Lake } from './lake.ts'
import { Maintain } from './maintain.ts'
import { Profiles } from './profiles.ts'
import { Replay } from './replay.ts'
import { Secrets } from './secrets.ts'
import type { Settings } from './settings.ts'
import { Sftp } from './sftp.ts'
import type { DropSource } from './sources.ts'
import { State } from './state.ts'
import { Stream } from './stream.ts'
import { Watch } from './watch.ts'

export interface RoadProps extends StackProps {
  readonly settings: Settings
  /** A folder for each function, as `infra/package` lays them out. */
  readonly functions: string
  /** Of the deployment's `cdp.toml`. */
  readonly dropSources: readonly DropSource[]
}

export class Road extends Stack {
  constructor(scope: Construct, id: string, props: RoadProps) {
    super(scope, id, {
      description: 'Customer data platform: stream, state, lake, and the functions between them',
      ...props,
      terminationProtection: props.settings.stage === 'prod',
    })
    const { settings } = props
    Tags.of(this).add('application', 'cdp')
    Tags.of(this).add('stage', settings.stage)

    const code = { settings, functions: props.functions }
    const secrets = new Secrets(this, 'Secrets', { settings })
    const front = new Front(this, 'Front', { settings })

    const stream = new Stream(this, 'Stream', { settings })
    const state = new State(this, 'State', { settings })
    const lake = new Lake(this, 'Lake', { settings })

    const collect = new Collect(this, 'Collect', { ...code, front, stream, secrets })
    const ingest = new Ingest(this, 'Ingest', { ...code, stream, state, lake })
    const drops = new Drops(this, 'Drops', { ...code, state, lake })
    const commit = new Commit(this, 'Commit', { ...code, state, lake })
    const maintain = new Maintain(this, 'Maintain', { ...code, stream, state, lake })
    const replay = new Replay(this, 'Replay', { ...code, stream, state, lake })
    const profiles = new Profiles(this, 'Profiles', { ...code, front, state, lake, secrets })

    const watch = new Watch(this, 'Watch', {
      settings,
      stretches: [front, collect, stream, ingest, drops, state, commit, maintain, replay, profiles],
    })

    const output = (name: string, value: string, description: string) => new CfnOutput(this, name, { value, description })
    output('ApiUrl', front.api.apiEndpoint, 'Where SDKs send to, and where profiles are asked for')
    output('StreamName', stream.stream.streamName, 'Where Kinesis producers put records')
    output('IngestDeadLetters', ingest.deadLetters.queue.queueUrl, 'Batches of the stream that were given up')
    output('DropBucket', drops.bucket.bucketName, 'Where files are put, as SOURCE/NAME')
    output('DropQueue', drops.queue.queueUrl, 'Files that wait to be taken in')
    output('DropDeadLetters', drops.deadLetters.queue.queueUrl, 'Files that were given up')
    output('ReplayQueue', replay.queue.queueUrl, 'Where jobs of replays are sent to')
    output('ReplayDeadLetters', replay.deadLetters.queue.queueUrl, 'Jobs of replays that were given up')
    output('LakeBucket', lake.bucket.bucketName, 'The tables, as Delta Lake')
    output('StateTable', state.table.tableName, 'Profiles, claims, checkpoints and the outbox')
    output('SecretArn', secrets.arn, 'The text of secrets.toml')
    output('Workgroup', lake.workgroup.name, 'What Athena queries run in')
    output('Database', lake.database.ref, 'The tables for Athena')
    output('AnswersBucket', lake.answers.bucketName, 'Where Athena puts its answers')
    output('AlarmTopic', watch.topic.topicArn, 'What every alarm tells')
    output('Dashboard', watch.dashboard.dashboardName, 'The road at a glance, in CloudWatch')

    const sources = props.dropSources.filter(({ sftpKeys }) => sftpKeys.length > 0)
    if (sources.length > 0) {
      const sftp = new Sftp(this, 'Sftp', { settings, drops, sources })
      output('SftpEndpoint', sftp.endpoint, 'Where partners send files by SFTP')
    }
  }
}
