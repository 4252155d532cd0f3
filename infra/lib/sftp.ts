/**
 * Partners' SFTP: a server of AWS Transfer Family before the drop bucket, with a user for each source that has keys. There is
 * one only then: its endpoint is billed by the hour, whether anybody sends or not.
 */
import { Aws, RemovalPolicy, Stack, Validations } from 'aws-cdk-lib'
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { LogGroup } from 'aws-cdk-lib/aws-logs'
import type { CfnBucket } from 'aws-cdk-lib/aws-s3'
import { CfnServer, CfnUser } from 'aws-cdk-lib/aws-transfer'
import { Construct } from 'constructs'

import type { Drops } from './drops.ts'
import type { Settings } from './settings.ts'
import type { DropSource } from './sources.ts'
import { StoreKey } from './store-key.ts'

export interface SftpProps {
  readonly settings: Settings
  readonly drops: Drops
  /** Those that have keys. */
  readonly sources: readonly DropSource[]
}

export class Sftp extends Construct {
  readonly endpoint: string
  private readonly server: CfnServer

  constructor(scope: Construct, id: string, props: SftpProps) {
    super(scope, id)
    const { settings, drops, sources } = props
    const logs = new LogGroup(this, 'Logs', {
      encryptionKey: new StoreKey(this, 'Key', settings.keyArn).key,
      retention: settings.logs,
      removalPolicy: settings.stage === 'prod' ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    })
    this.server = new CfnServer(this, 'Server', {
      protocols: ['SFTP'],
      domain: 'S3',
      endpointType: 'PUBLIC',
      identityProviderType: 'SERVICE_MANAGED',
      securityPolicyName: 'TransferSecurityPolicy-2024-01',
      // As JSON lines, who put what.
      structuredLogDestinations: [logs.logGroupArn],
    })
    this.endpoint = `${this.server.attrServerId}.server.transfer.${Aws.REGION}.${Aws.URL_SUFFIX}`
    for (const source of sources) this.userOf(source, drops)
  }

  /** The user of a source is named as it, sees its folder as `/`, and nothing beside it. */
  private userOf(source: DropSource, drops: Drops): void {
    const role = new Role(this, `Role-${source.name}`, {
      assumedBy: new ServicePrincipal('transfer.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } },
      }),
    })
    role.addToPolicy(new PolicyStatement({
      actions: ['s3:ListBucket'],
      resources: [drops.bucket.bucketArn],
      conditions: { StringLike: { 's3:prefix': [source.name, `${source.name}/*`] } },
    }))
    role.addToPolicy(new PolicyStatement({
      actions: ['s3:GetBucketLocation'],
      resources: [drops.bucket.bucketArn],
    }))
    // A client that renames what it has sent copies and deletes it.
    role.addToPolicy(new PolicyStatement({
      actions: ['s3:GetObject', 's3:PutObject', 's3:DeleteObject'],
      resources: [drops.bucket.arnForObjects(`${source.name}/*`)],
    }))
    drops.key.grantWrite(role)
    const bucket = Stack.of(this).getLogicalId(drops.bucket.node.defaultChild as CfnBucket)
    Validations.of(role).acknowledge({
      id: `AwsSolutions-IAM5[Resource::<${bucket}.Arn>/${source.name}/*]`,
      reason: 'The folder of the user\'s source; what it will put there is not known beforehand.',
    })
    new CfnUser(this, `User-${source.name}`, {
      serverId: this.server.attrServerId,
      userName: source.name,
      role: role.roleArn,
      homeDirectoryType: 'LOGICAL',
      homeDirectoryMappings: [{ entry: '/', target: `/${drops.bucket.bucketName}/${source.name}` }],
      sshPublicKeys: [...source.sftpKeys],
    })
  }
}
