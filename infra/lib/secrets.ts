/** The text of the deployment's `secrets.toml`: write keys and API tokens. `infra/deploy` puts it. */
import { RemovalPolicy, Validations } from 'aws-cdk-lib'
import { type CfnSecret, Secret } from 'aws-cdk-lib/aws-secretsmanager'
import { Construct } from 'constructs'

import type { RustFunction } from './rust-function.ts'
import type { Settings } from './settings.ts'
import { StoreKey } from './store-key.ts'

export class Secrets extends Construct {
  private readonly key: StoreKey
  private readonly secret: Secret
  readonly version: string

  constructor(scope: Construct, id: string, props: { settings: Settings }) {
    super(scope, id)
    this.key = new StoreKey(this, 'Key', props.settings.keyArn)
    this.version = props.settings.secretsVersion
    // Until the text is put it is a random word, which is no TOML: a function that reads it refuses to start.
    this.secret = new Secret(this, 'Secret', {
      encryptionKey: this.key.key,
      description: 'The text of secrets.toml: write keys and API tokens',
      removalPolicy: props.settings.stage === 'prod' ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    })
    Validations.of(this.secret).acknowledge({
      id: 'AwsSolutions-SMG4',
      reason: 'Keys are shared with producers, so a person changes them: edit secrets.toml, then infra/deploy.',
    })
  }

  /** By its attribute: the emulator's `Ref` is a name, and a policy needs the whole ARN. */
  get arn(): string {
    return (this.secret.node.defaultChild as CfnSecret).attrId
  }

  get environment(): Record<string, string> {
    return { CDP_SECRETS: this.arn, CDP_SECRETS_VERSION: this.version }
  }

  grantRead(reader: RustFunction): void {
    reader.may(['secretsmanager:GetSecretValue'], this.arn)
    this.key.grantRead(reader.role)
  }
}
