// The calls that every SDK makes, told of its own people: ids are SDK-RUN-NAME.
import { readFileSync } from 'node:fs'

export const url = needed('CDP_URL')
export const writeKey = needed('CDP_WRITE_KEY')
const run = process.env.CDP_RUN ?? Date.now().toString(36)

const calls = JSON.parse(readFileSync(new URL('./story.json', import.meta.url)))

/** Each call as [name, message], ready for the SDK's method of that name. */
export function storyOf(sdk) {
  const ids = (message) =>
    Object.fromEntries(
      Object.entries(message).map(([key, value]) => [key, key.endsWith('Id') ? `${sdk}-${run}-${value}` : value]),
    )
  return calls.flatMap(({ call, times = 1, ...message }) => Array.from({ length: times }, () => [call, ids(message)]))
}

/** One line of JSON for whoever compares tables with what was sent. */
export function report(sdk, sent, failures) {
  console.log(JSON.stringify({ sdk, run, user_id: `${sdk}-${run}-user`, sent, failed: failures.length }))
  for (const failure of failures) console.error(`${sdk}: ${failure}`)
  if (failures.length > 0 || sent === 0) process.exitCode = 1
}

function needed(name) {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set`)
  return value.replace(/\/$/, '')
}
