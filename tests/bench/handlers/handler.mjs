// What a function of Node does before its first event: its SDK, a client, and the first poll.
import { get } from 'node:http'
import { createRequire } from 'node:module'

const require = createRequire(new URL('../../../infra/package.json', import.meta.url))
const { SecretsManagerClient } = require('@aws-sdk/client-secrets-manager')

export const client = new SecretsManagerClient({})
get(`http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation/next`)
