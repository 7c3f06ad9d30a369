package app

// What the tests of the flow need to speak to a broker in another name.
var (
	KafkaConfig = kafkaConfig
	TopicSpecs  = topicSpecs
)
