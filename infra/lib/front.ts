/** The HTTP API: what reaches which function, how fast, and a line for each request. It knows no keys and no tokens. */
import { Duration, RemovalPolicy, Validations } from 'aws-cdk-lib'
import {
  HttpApi,
  type HttpMethod,
  HttpRoute,
  HttpRouteKey,
  HttpStage,
  LogGroupLogDestination,
  PayloadFormatVersion,
} from 'aws-cdk-lib/aws-apigatewayv2'
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations'
import { AccessLogFormat } from 'aws-cdk-lib/aws-apigateway'
import { GraphWidget, type IWidget, Stats } from 'aws-cdk-lib/aws-cloudwatch'
import { LogGroup } from 'aws-cdk-lib/aws-logs'
import { Construct } from 'constructs'

import { RunbookAlarm } from './runbook-alarm.ts'
import type { RustFunction } from './rust-function.ts'
import type { Settings } from './settings.ts'
import { StoreKey } from './store-key.ts'
import type { Stretch } from './stretch.ts'

export class Front extends Construct implements Stretch {
  readonly api: HttpApi
  readonly alarms: readonly RunbookAlarm[]
  readonly widgets: readonly IWidget[]

  constructor(scope: Construct, id: string, props: { settings: Settings }) {
    super(scope, id)
    const { settings } = props
    const { stage, name, front, logs } = settings
    const logGroup = new LogGroup(this, 'AccessLog', {
      encryptionKey: new StoreKey(this, 'Key', settings.keyArn).key,
      retention: logs,
      removalPolicy: stage === 'prod' ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    })

    this.api = new HttpApi(this, 'Api', {
      apiName: `cdp-${name}`,
      description: 'Events in, profiles out',
      createDefaultStage: false,
    })
    new HttpStage(this, 'Stage', {
      httpApi: this.api,
      stageName: '$default',
      autoDeploy: true,
      throttle: { rateLimit: front.requestsPerSecond, burstLimit: front.burst },
      accessLogSettings: { destination: new LogGroupLogDestination(logGroup), format: AccessLogFormat.custom(ACCESS_LOG) },
    })

    const minute = { period: Duration.minutes(1) }
    const failed = this.api.metricServerError({ ...minute, statistic: 'Sum' })
    this.alarms = [
      new RunbookAlarm(this, 'front-errors', {
        settings,
        meaning: 'The HTTP API answers with 5xx: producers retry, and may give up.',
        metric: failed,
        threshold: 5,
        periods: 3,
      }),
    ]
    this.widgets = [
      new GraphWidget({
        title: 'front: requests, 4xx, 5xx, milliseconds',
        left: [this.api.metricCount(minute), this.api.metricClientError({ ...minute, statistic: 'Sum' }), failed],
        right: [this.api.metricLatency({ ...minute, statistic: Stats.p(99) })],
      }),
    ]
  }

  /** Sends these calls, as `METHOD /path`, to the function. */
  route(target: RustFunction, calls: readonly string[]): void {
    const integration = new HttpLambdaIntegration(`${target.node.scope!.node.id}Integration`, target.lambda, {
      payloadFormatVersion: PayloadFormatVersion.VERSION_2_0,
      // One permission for the API, not one for each route.
      scopePermissionToRoute: false,
    })
    for (const call of calls) {
      const [method, path] = call.split(' ') as [HttpMethod, string]
      const route = new HttpRoute(this, call.replaceAll('/', '.'), {
        httpApi: this.api,
        routeKey: HttpRouteKey.with(path, method),
        integration,
      })
      Validations.of(route).acknowledge({
        id: 'AwsSolutions-APIG4',
        reason: 'Write keys, API tokens and signatures are checked by the function, as Segment\'s SDKs and webhooks send them.',
      })
    }
  }
}

/** No query and no path parameter: they may name a person. The address that a call comes from is a person's own, though. */
const ACCESS_LOG = JSON.stringify({
  requestId: '$context.requestId',
  time: '$context.requestTime',
  route: '$context.routeKey',
  status: '$context.status',
  took_ms: '$context.responseLatency',
  function_ms: '$context.integrationLatency',
  response_bytes: '$context.responseLength',
  error: '$context.error.message',
  function_error: '$context.integrationErrorMessage',
  ip: '$context.identity.sourceIp',
  user_agent: '$context.identity.userAgent',
})
