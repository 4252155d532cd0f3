/** Files that are put into a bucket become events, as those of a drop folder do on one machine. */
import { Aws, Duration, RemovalPolicy, Stack, Validations } from 'aws-cdk-lib'
import { GraphWidget, type IWidget } from 'aws-cdk-lib/aws-cloudwatch'
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { EventSourceMapping } from 'aws-cdk-lib/aws-lambda'
import { BlockPublicAccess, Bucket, type CfnBucket, type LifecycleRule, ObjectOwnership } from 'aws-cdk-lib/aws-s3'
import { Queue } from 'aws-cdk-lib/aws-sqs'
import { Construct } from 'constructs'

import { DeadLetters } from './dead-letters.ts'
import type { Lake } from './lake.ts'
import type { RunbookAlarm } from './runbook-alarm.ts'
import { RustFunction } from './rust-function.ts'
import type { Settings } from './settings.ts'
import type { State } from './state.ts'
import { StoreKey } from './store-key.ts'
import type { Stretch } from './stretch.ts'
import { Verdicts } from './verdicts.ts'

/** Files that are taken in side by side. Each has a worker of State's own. */
const SIDE_BY_SIDE = 10
/** Of a file. The function is told, for the last try leaves a report that says so. */
const TRIES = 5

export interface DropsProps {
  readonly settings: Settings
  readonly functions: string
  readonly state: State
  readonly lake: Lake
}

export class Drops extends Construct implements Stretch {
  readonly bucket: Bucket
  /** Of the bucket. */
  readonly key: StoreKey
  readonly queue: Queue
  readonly function: RustFunction
  readonly deadLetters: DeadLetters
  readonly alarms: readonly RunbookAlarm[]
  readonly widgets: readonly IWidget[]

  /**
   * Grants exactly: list the bucket, read its objects, put reports; consume the queue and send to it; all that there
   * is to do to State; put data files into the lake.
   */
  constructor(scope: Construct, id: string, props: DropsProps) {
    super(scope, id)
    const { settings, functions, state, lake } = props
    this.key = new StoreKey(this, 'Key', settings.drops.keyArn)
    const queueKey = new StoreKey(this, 'QueueKey', settings.keyArn)
    const timeout = Duration.minutes(15)

    this.deadLetters = new DeadLetters(this, 'DeadLetters', {
      settings,
      name: 'drops',
      meaning: `Dropped files could not be taken in, ${TRIES} times: the letters say which, and they are in the bucket.`,
    })
    this.queue = new Queue(this, 'Queue', {
      ...queueKey.ofQueue,
      enforceSSL: settings.tlsOnly,
      retentionPeriod: Duration.days(14),
      // A file comes again once its worker must be gone.
      visibilityTimeout: timeout.plus(Duration.minutes(1)),
      deadLetterQueue: { queue: this.deadLetters.queue, maxReceiveCount: TRIES },
    })
    this.queue.addToResourcePolicy(new PolicyStatement({
      principals: [new ServicePrincipal('s3.amazonaws.com')],
      actions: ['sqs:SendMessage'],
      resources: [this.queue.queueArn],
      // By the beginning of its name: S3 tries the queue before there is a bucket that could be named.
      conditions: {
        StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID },
        ArnLike: { 'aws:SourceArn': `arn:${Aws.PARTITION}:s3:::${Stack.of(this).stackName}-drops*` },
      },
    }))
    this.bucket = this.bucketOf(settings)

    this.function = new RustFunction(this, 'Function', {
      settings,
      functions,
      name: 'drops',
      description: 'Takes in a file that was put into the drop bucket',
      // One whole processor.
      memoryMib: 1769,
      timeout,
      environment: {
        ...state.environment,
        ...lake.environment,
        CDP_DROP_QUEUE: this.queue.queueUrl,
        CDP_DROP_TRIES: `${TRIES}`,
      },
      errorsToAlarm: 3,
      wakesItself: true,
    })
    this.grantFiles(this.function)
    this.function.may(
      ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes', 'sqs:SendMessage'],
      this.queue.queueArn,
    )
    queueKey.grantWrite(this.function.role)
    state.grant(this.function, 'get', 'query', 'put', 'delete', 'check')
    lake.grantLand(this.function)
    new EventSourceMapping(this, 'Files', {
      target: this.function.lambda,
      eventSourceArn: this.queue.queueArn,
      // A file may take all the time that there is.
      batchSize: 1,
      maxConcurrency: SIDE_BY_SIDE,
    })

    const age = this.queue.metricApproximateAgeOfOldestMessage({ period: Duration.minutes(1), statistic: 'Maximum' })
    const verdicts = new Verdicts(this, 'Verdicts', { settings, name: 'drops', of: this.function })
    this.alarms = [...this.function.alarms, verdicts.alarm, this.deadLetters.alarm]
    this.widgets = [
      this.function.widget,
      new GraphWidget({ title: 'drops: age of the oldest file, seconds; dead letters', left: [age], right: [this.deadLetters.depth] }),
      verdicts.widget,
    ]
  }

  private bucketOf(settings: Settings): Bucket {
    const { days } = settings.drops
    const bucket = new Bucket(this, 'Bucket', {
      ...this.key.ofBucket,
      // A file that is replaced while it is read is read to its end.
      versioned: true,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      enforceSSL: settings.tlsOnly,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      lifecycleRules: [
        {
          noncurrentVersionExpiration: Duration.days(30),
          expiredObjectDeleteMarker: true,
          abortIncompleteMultipartUploadAfter: Duration.days(7),
        },
        ...(days === undefined ? [] : [{ expiration: days } satisfies LifecycleRule]),
      ],
      removalPolicy: settings.stage === 'prod' ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    })
    Validations.of(bucket).acknowledge({
      id: 'AwsSolutions-S1',
      reason: 'What became of each file is told beside it. CloudTrail\'s data events tell who read or wrote it.',
    })
    // Not by CDK's own way, which deploys a function in Python that sets it.
    const resource = bucket.node.defaultChild as CfnBucket
    resource.notificationConfiguration = {
      queueConfigurations: [{ event: 's3:ObjectCreated:*', queue: this.queue.queueArn }],
    }
    bucket.node.addDependency(this.queue)
    return bucket
  }

  private grantFiles(worker: RustFunction): void {
    worker.may(['s3:ListBucket'], this.bucket.bucketArn)
    worker.may(['s3:GetObject', 's3:GetObjectVersion'], this.bucket.arnForObjects('*'))
    worker.may(['s3:PutObject'], this.bucket.arnForObjects('.reports/*'), this.bucket.arnForObjects('*/.reports/*'))
    this.key.grantWrite(worker.role)
    const bucket = Stack.of(this).getLogicalId(this.bucket.node.defaultChild as CfnBucket)
    for (const objects of ['*', '.reports/*', '*/.reports/*']) {
      Validations.of(worker.role).acknowledge({
        id: `AwsSolutions-IAM5[Resource::<${bucket}.Arn>/${objects}]`,
        reason: 'The names of dropped files are not known beforehand; the bucket holds nothing but them and their reports.',
      })
    }
  }
}
