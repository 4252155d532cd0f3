/** Claims, identity sets, members, checkpoints, the outbox and the plans: versioned items in one table. */
import { Duration, RemovalPolicy } from 'aws-cdk-lib'
import { GraphWidget, type IWidget } from 'aws-cdk-lib/aws-cloudwatch'
import { AttributeType, BillingMode, StreamViewType, Table, TableEncryption } from 'aws-cdk-lib/aws-dynamodb'
import { Construct } from 'constructs'

import { RunbookAlarm } from './runbook-alarm.ts'
import type { RustFunction } from './rust-function.ts'
import type { Settings } from './settings.ts'
import { StoreKey } from './store-key.ts'
import type { Stretch } from './stretch.ts'

/**
 * What a function does to State, in the words of the port, and the action that it takes. A transaction has none of its own: it
 * needs those of its parts. A put is an update, which counts the version.
 */
const ACTIONS = {
  get: 'dynamodb:BatchGetItem',
  query: 'dynamodb:Query',
  put: 'dynamodb:UpdateItem',
  delete: 'dynamodb:DeleteItem',
  check: 'dynamodb:ConditionCheckItem',
}

/** Of provisioned units: room for as long as scaling takes. `cdp cost` counts with it. */
const UTILIZATION = 70

/** Where scaling begins: a tenth of where it ends. */
const least = (most: number) => Math.ceil(most / 10)

export class State extends Construct implements Stretch {
  readonly table: Table
  private readonly key: StoreKey
  readonly alarms: readonly RunbookAlarm[]
  readonly widgets: readonly IWidget[]

  constructor(scope: Construct, id: string, props: { settings: Settings }) {
    super(scope, id)
    const { settings } = props
    const { stage, state: { most } } = settings
    const isProd = stage === 'prod'
    this.key = new StoreKey(this, 'Key', settings.keyArn)
    const { key } = this.key
    this.table = new Table(this, 'Items', {
      partitionKey: { name: 'partition', type: AttributeType.STRING },
      sortKey: { name: 'sort', type: AttributeType.STRING },
      ...(most === undefined
        ? { billingMode: BillingMode.PAY_PER_REQUEST }
        : { billingMode: BillingMode.PROVISIONED, readCapacity: least(most.reads), writeCapacity: least(most.writes) }),
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      ...(key === undefined
        ? { encryption: TableEncryption.AWS_MANAGED }
        : { encryption: TableEncryption.CUSTOMER_MANAGED, encryptionKey: key }),
      // Wakes up the commit, which needs to know no more than that there is something in the outbox.
      stream: StreamViewType.KEYS_ONLY,
      deletionProtection: isProd,
      removalPolicy: isProd ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    })

    if (most !== undefined) {
      // What is refused while it scales is tried again, and then waits in the stream: nothing is lost, some of it is late.
      const target = { targetUtilizationPercent: UTILIZATION }
      const { reads, writes } = most
      this.table.autoScaleReadCapacity({ minCapacity: least(reads), maxCapacity: reads }).scaleOnUtilization(target)
      this.table.autoScaleWriteCapacity({ minCapacity: least(writes), maxCapacity: writes }).scaleOnUtilization(target)
    }

    const five = { period: Duration.minutes(5) }
    const throttles = (what: string) => this.table.metric(`${what}ThrottleEvents`, { ...five, statistic: 'Sum' })
    const reads = throttles('Read')
    const writes = throttles('Write')
    const throttled = { settings, page: 'state-throttled', threshold: 1, periods: 3 }
    this.alarms = [
      new RunbookAlarm(this, 'state-reads-throttled', {
        ...throttled,
        meaning: 'DynamoDB throttles reads of State for 15 minutes.',
        metric: reads,
      }),
      new RunbookAlarm(this, 'state-writes-throttled', {
        ...throttled,
        meaning: 'DynamoDB throttles writes of State for 15 minutes.',
        metric: writes,
      }),
    ]
    this.widgets = [
      new GraphWidget({
        title: 'state: capacity, throttled',
        left: [this.table.metricConsumedReadCapacityUnits(five), this.table.metricConsumedWriteCapacityUnits(five)],
        right: [reads, writes],
      }),
    ]
  }

  get environment(): Record<string, string> {
    return { CDP_STATE_TABLE: this.table.tableName }
  }

  grant(worker: RustFunction, ...calls: (keyof typeof ACTIONS)[]): void {
    worker.may(calls.map((call) => ACTIONS[call]), this.table.tableArn)
    this.key.grantRead(worker.role)
  }

  /** For an event source mapping on the table's own stream. */
  grantConsume(consumer: RustFunction): void {
    consumer.may(['dynamodb:DescribeStream', 'dynamodb:GetRecords', 'dynamodb:GetShardIterator'], this.table.tableStreamArn!)
    this.key.grantRead(consumer.role)
    consumer.mayAnywhere('Streams', ['dynamodb:ListStreams'], 'Lambda lists streams before it reads one, and DynamoDB lists all.')
  }
}
