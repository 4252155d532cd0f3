/** Where every record waits for its turn, in order in its shard. */
import { Duration, RemovalPolicy, Validations } from 'aws-cdk-lib'
import { GraphWidget, type IWidget, type Metric } from 'aws-cdk-lib/aws-cloudwatch'
import { Stream as KinesisStream, StreamEncryption, StreamMode } from 'aws-cdk-lib/aws-kinesis'
import { Construct } from 'constructs'

import { RunbookAlarm } from './runbook-alarm.ts'
import type { RustFunction } from './rust-function.ts'
import type { Settings } from './settings.ts'
import { StoreKey } from './store-key.ts'
import type { Stretch } from './stretch.ts'

export class Stream extends Construct implements Stretch {
  readonly stream: KinesisStream
  readonly retention: Duration
  /** Whoever reads the stream, and whether it has records or not. */
  readonly reads: Metric
  readonly alarms: readonly RunbookAlarm[]
  readonly widgets: readonly IWidget[]
  private readonly key: StoreKey

  constructor(scope: Construct, id: string, props: { settings: Settings }) {
    super(scope, id)
    const { settings } = props
    const { stage, stream: { shards, retention, keyArn } } = settings
    this.retention = retention
    this.key = new StoreKey(this, 'Key', keyArn)
    const { key } = this.key

    this.stream = new KinesisStream(this, 'Events', {
      ...(shards === undefined
        ? { streamMode: StreamMode.ON_DEMAND }
        : { streamMode: StreamMode.PROVISIONED, shardCount: shards }),
      retentionPeriod: retention,
      ...(key === undefined
        ? { encryption: StreamEncryption.MANAGED }
        : { encryption: StreamEncryption.KMS, encryptionKey: key }),
      removalPolicy: stage === 'prod' ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    })

    if (key !== undefined) {
      Validations.of(this.stream).acknowledge({
        id: 'AwsSolutions-KDS3',
        reason: 'The rule wants AWS\'s own key, to save what the requests of another one cost: whoever names a key wants that one.',
      })
    }

    this.reads = this.stream.metricGetRecordsSuccess({ period: Duration.minutes(5), statistic: 'Sum' })
    const minute = { period: Duration.minutes(1), statistic: 'Sum' }
    const refused = this.stream.metricWriteProvisionedThroughputExceeded(minute)
    this.alarms = [
      new RunbookAlarm(this, 'stream-throttled', {
        settings,
        meaning: 'The stream refuses records: they come faster than its shards take them.',
        metric: refused,
        threshold: 1,
        periods: 5,
      }),
    ]
    this.widgets = [
      new GraphWidget({
        title: 'stream: records in, refused; reads',
        left: [this.stream.metricIncomingRecords(minute), refused],
        right: [this.reads],
      }),
    ]
  }

  get arn(): string {
    return this.stream.streamArn
  }

  get environment(): Record<string, string> {
    return { CDP_STREAM: this.stream.streamName }
  }

  grantWrite(writer: RustFunction): void {
    writer.may(['kinesis:PutRecords'], this.arn)
    this.key.grantAppend(writer.role)
  }

  /** For an event source mapping, which reads with the role of its function. */
  grantConsume(consumer: RustFunction): void {
    consumer.may(
      ['kinesis:DescribeStream', 'kinesis:DescribeStreamSummary', 'kinesis:GetRecords', 'kinesis:GetShardIterator', 'kinesis:ListShards'],
      this.arn,
    )
    this.key.grantRead(consumer.role)
  }

  grantListShards(reader: RustFunction): void {
    reader.may(['kinesis:ListShards'], this.arn)
  }
}
