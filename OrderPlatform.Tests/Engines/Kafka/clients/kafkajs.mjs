// Round trip with kafkajs against the broker at argv[2]: create, idempotent produce with headers, group consume, seek,
// offsets for a time, groups and delete. Prints "ok" as its last line; any surprise is thrown.
import assert from 'node:assert/strict'
import kafkajs from 'kafkajs'

const { Kafka, logLevel, CompressionTypes } = kafkajs
const topic = 'from-kafkajs'
const kafka = new Kafka({ clientId: 'kafkajs', brokers: [process.argv[2]], logLevel: logLevel.NOTHING, retry: { retries: 3 } })

const admin = kafka.admin()
await admin.connect()
assert.equal(await admin.createTopics({ topics: [{ topic, numPartitions: 3, configEntries: [{ name: 'retention.ms', value: '3600000' }] }] }), true)
assert.equal(await admin.createTopics({ topics: [{ topic, numPartitions: 3 }] }), false)

const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
await producer.connect()
const sentBefore = Date.now()
const messages = Array.from({ length: 100 }, (_, i) => ({ key: `key-${i % 10}`, value: `value-${i}`, headers: { index: `${i}` } }))
await producer.send({ topic, messages: messages.slice(0, 50) })
await producer.send({ topic, messages: messages.slice(50), compression: CompressionTypes.GZIP })
await producer.disconnect()

const consumer = kafka.consumer({ groupId: 'kafkajs-group' })
await consumer.connect()
await consumer.subscribe({ topic, fromBeginning: true })
const seen = new Map()
await new Promise((resolve, reject) => {
  setTimeout(() => reject(new Error(`only ${seen.size} of 100 records arrived in 20 s`)), 20_000).unref()
  consumer.run({
    eachMessage: async ({ partition, message }) => {
      assert.equal(message.headers.index.toString(), message.value.toString().slice('value-'.length))
      seen.set(`${partition}/${message.offset}`, message.value.toString())
      if (seen.size === 100) resolve()
    }
  }).catch(reject)
})
assert.deepEqual(new Set(seen.values()), new Set(messages.map(m => m.value)))
await consumer.stop()
await consumer.disconnect()

const ends = await admin.fetchTopicOffsets(topic)
assert.equal(ends.reduce((sum, p) => sum + Number(p.high), 0), 100)
const byTime = await admin.fetchTopicOffsetsByTimestamp(topic, sentBefore)
assert.ok(byTime.every(p => p.offset === '0'))
const [committed] = await admin.fetchOffsets({ groupId: 'kafkajs-group', topics: [topic] })
assert.equal(committed.partitions.reduce((sum, p) => sum + Math.max(0, Number(p.offset)), 0), 100)
const described = await admin.describeConfigs({ resources: [{ type: 2, name: topic }], includeSynonyms: false })
assert.equal(described.resources[0].configEntries.find(c => c.configName === 'retention.ms').configValue, '3600000')
assert.ok((await admin.listGroups()).groups.some(g => g.groupId === 'kafkajs-group'))
await admin.deleteGroups(['kafkajs-group'])
await admin.deleteTopics({ topics: [topic] })
assert.ok(!(await admin.listTopics()).includes(topic))
await admin.disconnect()
console.log('ok')
