/** One dashboard in the order of the road, and one topic that every alarm tells. */
import { ArnFormat, Aws, Stack } from 'aws-cdk-lib'
import { Dashboard, TextWidget } from 'aws-cdk-lib/aws-cloudwatch'
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions'
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { Topic } from 'aws-cdk-lib/aws-sns'
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions'
import { Construct } from 'constructs'

import type { Settings } from './settings.ts'
import type { Stretch } from './stretch.ts'

export interface WatchProps {
  readonly settings: Settings
  /** In the order of the road. */
  readonly stretches: readonly Stretch[]
}

export class Watch extends Construct {
  readonly topic: Topic
  readonly dashboard: Dashboard

  constructor(scope: Construct, id: string, props: WatchProps) {
    super(scope, id)
    const { settings, stretches } = props

    // Not encrypted by AWS's own key for SNS: alarms may not use that one, and an alarm holds nothing secret.
    this.topic = new Topic(this, 'Alarms', { displayName: `cdp ${settings.name}`, enforceSSL: settings.tlsOnly })
    // A policy that refuses requests without TLS takes the place of SNS's own, by which alarms might publish.
    this.topic.addToResourcePolicy(new PolicyStatement({
      sid: 'AlarmsOfTheStack',
      principals: [new ServicePrincipal('cloudwatch.amazonaws.com')],
      actions: ['sns:Publish'],
      resources: [this.topic.topicArn],
      conditions: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID }, ArnLike: { 'aws:SourceArn': this.alarmArns } },
    }))
    if (settings.alarmEmail !== undefined) this.topic.addSubscription(new EmailSubscription(settings.alarmEmail))

    const tell = new SnsAction(this.topic)
    for (const { alarm } of stretches.flatMap((stretch) => stretch.alarms)) {
      alarm.addAlarmAction(tell)
      alarm.addOkAction(tell)
    }
    this.dashboard = new Dashboard(this, 'Dashboard', {
      dashboardName: `cdp-${settings.name}`,
      widgets: [...stretches.map((stretch) => [...stretch.widgets]), [this.runbook(settings, stretches)]],
    })
  }

  /** A link to each page; where the context does not say where they are, their places in the repository. */
  private runbook({ runbook }: Settings, stretches: readonly Stretch[]): TextWidget {
    const pages = new Set(stretches.flatMap((stretch) => stretch.alarms).map(({ page }) => `${page}.md`))
    const isLink = runbook.startsWith('https://')
    const lines = ['README.md', ...pages].map((page) => (isLink ? `- [${page}](${runbook}${page})` : `- ${runbook}${page}`))
    return new TextWidget({ markdown: ['## Runbook', ...lines].join('\n'), width: 12, height: 8 })
  }

  /** Names of alarms begin with that of their stack. */
  private get alarmArns(): string {
    const stack = Stack.of(this)
    const resourceName = `${stack.stackName}-*`
    return stack.formatArn({ service: 'cloudwatch', resource: 'alarm', resourceName, arnFormat: ArnFormat.COLON_RESOURCE_NAME })
  }
}
