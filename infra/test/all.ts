/** All tests in one process: to load the CDK takes longer than most of them. One file alone: `node --import tsx test/keys.test.ts`. */
import { readdirSync } from 'node:fs'

for (const file of readdirSync(import.meta.dirname).filter((name) => name.endsWith('.test.ts'))) await import(`./${file}`)
