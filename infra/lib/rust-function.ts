/**
 * What all functions have in common: a bootstrap beside its `cdp.toml`, a role that may do nothing but log and trace, a log
 * group that ends, and the alarms for its errors and its throttles.
 */
import { Duration, RemovalPolicy, type Size, Validations } from 'aws-cdk-lib'
import { GraphWidget, Metric, type MetricProps, Stats } from 'aws-cdk-lib/aws-cloudwatch'
import { Policy, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { Code, Function, RecursiveLoop, Runtime, Tracing } from 'aws-cdk-lib/aws-lambda'
import { LogGroup } from 'aws-cdk-lib/aws-logs'
import { Construct } from 'constructs'

import { RunbookAlarm } from './runbook-alarm.ts'
import type { Settings } from './settings.ts'
import { StoreKey } from './store-key.ts'

/** Of Amazon Linux 2023. A function that isn't told of it reads it several times, by each name that it goes by: 2 to 4 ms of its start. */
const CERTIFICATES = '/etc/pki/tls/certs/ca-bundle.crt'

export interface RustFunctionProps {
  readonly settings: Settings
  readonly functions: string
  /** Of the folder under `functions`, and of the alarm. */
  readonly name: string
  readonly description: string
  readonly memoryMib: number
  readonly timeout: Duration
  readonly environment: Record<string, string>
  /** Failed calls in 5 minutes that are worth a look. */
  readonly errorsToAlarm: number
  /** Of `/tmp`; 512 MiB unless it is said. */
  readonly storage?: Size
  /** It sends itself what is left of its work. Lambda takes that for a mistake, and stops it after some rounds, unless it is said. */
  readonly wakesItself?: boolean
}

export class RustFunction extends Construct {
  readonly lambda: Function
  readonly role: Role
  readonly logGroup: LogGroup
  readonly alarms: readonly RunbookAlarm[]
  readonly widget: GraphWidget

  constructor(scope: Construct, id: string, props: RustFunctionProps) {
    super(scope, id)
    const { settings } = props

    this.logGroup = new LogGroup(this, 'Logs', {
      encryptionKey: new StoreKey(this, 'Key', settings.keyArn).key,
      retention: settings.logs,
      removalPolicy: settings.stage === 'prod' ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    })
    this.role = new Role(this, 'Role', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') })
    this.role.addToPolicy(new PolicyStatement({
      actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
      resources: [this.logGroup.logGroupArn],
    }))
    this.mayAnywhere('Traces', ['xray:PutTraceSegments', 'xray:PutTelemetryRecords'], 'X-Ray takes segments for no particular resource.')

    this.lambda = new Function(this, 'Function', {
      description: props.description,
      runtime: Runtime.PROVIDED_AL2023,
      architecture: settings.architecture,
      handler: 'bootstrap',
      code: Code.fromAsset(`${props.functions}/${props.name}`),
      memorySize: props.memoryMib,
      timeout: props.timeout,
      ...(props.storage !== undefined && { ephemeralStorageSize: props.storage }),
      ...(props.wakesItself === true && { recursiveLoop: RecursiveLoop.ALLOW }),
      environment: { RUST_LOG: 'info', ...(!settings.emulator && { SSL_CERT_FILE: CERTIFICATES }), ...props.environment },
      // Its policies are said here, each action of them: CDK would add those for X-Ray where no reason for their `*` could stand.
      role: this.role.withoutPolicyUpdates(),
      logGroup: this.logGroup,
      tracing: Tracing.ACTIVE,
    })

    const five = { period: Duration.minutes(5) }
    this.alarms = [
      new RunbookAlarm(this, `${props.name}-errors`, {
        settings,
        meaning: `Calls of ${props.name} fail.`,
        metric: this.lambda.metricErrors(five),
        threshold: props.errorsToAlarm,
      }),
      // In each of two quarters of an hour: maintain is called no more often, and what a short burst does to the road has alarms.
      new RunbookAlarm(this, `${props.name}-throttled`, {
        settings,
        page: 'functions-throttled',
        meaning: `Lambda refuses calls of ${props.name} for half an hour.`,
        metric: this.lambda.metricThrottles({ period: Duration.minutes(15) }),
        threshold: 1,
        periods: 2,
      }),
    ]
    this.widget = new GraphWidget({
      title: `${props.name}: calls, errors, milliseconds`,
      left: [this.lambda.metricInvocations(five), this.lambda.metricErrors(five), this.lambda.metricThrottles(five)],
      right: [
        this.lambda.metricDuration({ ...five, statistic: Stats.p(50) }),
        this.lambda.metricDuration({ ...five, statistic: Stats.p(99) }),
      ],
    })
  }

  /** What the function itself counts: `crates/cdp-lambda` writes it into the log, and CloudWatch reads it there. */
  counted(metricName: string, props: Pick<MetricProps, 'period' | 'statistic'>): Metric {
    return new Metric({ namespace: 'cdp', metricName, dimensionsMap: { FunctionName: this.lambda.functionName }, ...props })
  }

  /** What the role may do, and on what. */
  may(actions: string[], ...resources: string[]): void {
    this.role.addToPolicy(new PolicyStatement({ actions, resources }))
  }

  /** Actions that take no particular resource. In a policy of their own, so that the reason is not one for any other `*`. */
  mayAnywhere(name: string, actions: string[], reason: string): void {
    const policy = new Policy(this.role, name, { roles: [this.role], statements: [new PolicyStatement({ actions, resources: ['*'] })] })
    Validations.of(policy).acknowledge({ id: 'AwsSolutions-IAM5[Resource::*]', reason })
  }
}
