#!/usr/bin/env bash
# Start a real Apache Kafka on this machine, for tests: nodes that are broker and controller (KRaft), from the jars of
# Maven Central, with everything that they keep in one folder. A node that runs already is left alone.
#
#   KAFKA_DIR      its folder: jars, settings, data, log            (default .cache/kafka)
#   KAFKA_NODES    1, or 3, of which one may be away                (default 1)
#   KAFKA_PORT     clients of node 1 connect here; the next two ports are used, too; node 2 has those that are 10 higher,
#                  node 3 those that are 20 higher                  (default 9092)
#   KAFKA_USERS    "admin:password ingest:password …": the port speaks TLS and asks for a user (SCRAM-SHA-512), who may do
#                  what ACLs allow, the first user everything. $KAFKA_DIR/tls/ca.pem is the authority to trust.
#   KAFKA_HEAP     of each node's Java machine                      (default 512m)
#   KAFKA_VERSION  tried: 3.9.2                                     (default 3.9.2)
#
# It needs Java 17 and Maven, and openssl with KAFKA_USERS; where they are missing, root on Debian installs them.
set -euo pipefail

version=${KAFKA_VERSION:-3.9.2}
nodes=${KAFKA_NODES:-1}
mkdir -p "${KAFKA_DIR:-.cache/kafka}"
dir=$(cd "${KAFKA_DIR:-.cache/kafka}" && pwd)
jars=$dir/jars-$version tls=$dir/tls
users=${KAFKA_USERS:-}

fail() {
	echo "tools/kafka/up.sh: $*" >&2
	exit 1
}

port() { echo $((${KAFKA_PORT:-9092} + 10 * ($1 - 1))); }

# running NODE tells whether the process that was started here still runs; its process id could be another's by now.
running() {
	[ -f "$dir/node-$1.pid" ] && tr '\0' '\n' 2>/dev/null <"/proc/$(cat "$dir/node-$1.pid")/cmdline" | grep -qxF "$dir/node-$1.properties"
}

java17() {
	local major
	major=$(java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p')
	[ "${major:-0}" -ge 17 ]
}

install_tools() {
	local missing=()
	java17 || missing+=(openjdk-17-jre-headless)
	[ -f "$jars/complete" ] || command -v mvn >/dev/null || missing+=(maven)
	[ -z "$users" ] || command -v openssl >/dev/null || missing+=(openssl)
	[ ${#missing[@]} -gt 0 ] || return 0
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		fail "Java 17 or newer, Maven and openssl are needed; missing: ${missing[*]} (the names of Debian's packages). Install them and run this again."
	fi
	echo "installing ${missing[*]}"
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
	java17 || fail "java is older than 17: $(command -v java); put a newer one first in PATH"
}

# fetch_jars copies the broker and what it needs into the folder, once.
fetch_jars() {
	[ ! -f "$jars/complete" ] || return 0
	rm -rf "$jars" && mkdir -p "$jars"
	cat >"$jars/pom.xml" <<-POM
		<project xmlns="http://maven.apache.org/POM/4.0.0">
		  <modelVersion>4.0.0</modelVersion>
		  <groupId>facestream.test</groupId>
		  <artifactId>broker</artifactId>
		  <version>1</version>
		  <packaging>pom</packaging>
		  <dependencies>
		    <dependency>
		      <groupId>org.apache.kafka</groupId>
		      <artifactId>kafka_2.13</artifactId>
		      <version>$version</version>
		    </dependency>
		    <dependency>
		      <groupId>org.slf4j</groupId>
		      <artifactId>slf4j-simple</artifactId>
		      <version>1.7.36</version>
		    </dependency>
		  </dependencies>
		</project>
	POM
	mvn --batch-mode --quiet --file "$jars/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
		-DincludeScope=runtime -DoutputDirectory="$jars" >"$dir/maven.log" 2>&1 ||
		fail "Maven could not fetch Kafka $version: $(grep ERROR "$dir/maven.log" | head -n 1)"
	touch "$jars/complete"
}

# make_certificates makes an authority and a certificate of this machine, once.
make_certificates() {
	[ ! -f "$tls/broker.pem" ] || return 0
	rm -rf "$tls" && mkdir -m 700 "$tls"
	(
		cd "$tls"
		openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/CN=facestream test authority" -keyout ca.key -out ca.pem
		openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout broker.key -out broker.csr
		openssl x509 -req -days 3650 -in broker.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out broker.crt \
			-extfile <(echo "subjectAltName=DNS:localhost,IP:127.0.0.1")
		cat broker.key broker.crt ca.pem >broker.pem
	) 2>"$dir/openssl.log" || fail "no certificates: $(tail -n 3 "$dir/openssl.log")"
}

# write_settings NODE
write_settings() {
	local settings=$dir/node-$1.properties port node voters=
	port=$(port "$1")
	for node in $(seq "$nodes"); do
		voters+=,$node@127.0.0.1:$(($(port "$node") + 1))
	done
	local first=${users%% *} protocol=PLAINTEXT
	[ -z "$users" ] || protocol=SASL_SSL
	cat >"$settings" <<-SETTINGS
		process.roles=broker,controller
		node.id=$1
		controller.quorum.voters=${voters#,}
		controller.listener.names=CONTROLLER
		listeners=CLIENTS://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1)),INTERNAL://127.0.0.1:$((port + 2))
		advertised.listeners=CLIENTS://127.0.0.1:$port,INTERNAL://127.0.0.1:$((port + 2))
		listener.security.protocol.map=CLIENTS:$protocol,CONTROLLER:PLAINTEXT,INTERNAL:PLAINTEXT
		inter.broker.listener.name=INTERNAL
		log.dirs=$dir/data/$1
		# The services create their topics themselves, with settings; by accident none comes to be.
		auto.create.topics.enable=false
		offsets.topic.replication.factor=$nodes
		offsets.topic.num.partitions=4
		transaction.state.log.replication.factor=$nodes
		transaction.state.log.min.isr=1
		transaction.state.log.num.partitions=4
		# Tests kill members of groups and do not want to wait for the usual six seconds.
		group.min.session.timeout.ms=1000
		group.initial.rebalance.delay.ms=0
		# After a SIGKILL the controller takes the broker for alive for this long and refuses the new one; 9 s by default.
		broker.session.timeout.ms=2000
		broker.heartbeat.interval.ms=300
		log.cleaner.dedupe.buffer.size=8388608
	SETTINGS
	[ -n "$users" ] || return 0
	# The broker speaks to itself over INTERNAL, without a user.
	cat >>"$settings" <<-SETTINGS
		authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
		super.users=User:ANONYMOUS;User:${first%%:*}
		sasl.enabled.mechanisms=SCRAM-SHA-512
		listener.name.clients.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
		ssl.keystore.type=PEM
		ssl.keystore.location=$tls/broker.pem
	SETTINGS
}

# format NODE prepares its data folder, once. Users are written into it here and nowhere else.
format() {
	[ ! -f "$dir/data/$1/meta.properties" ] || return 0
	local scram=() user
	for user in $users; do
		scram+=(--add-scram "SCRAM-SHA-512=[name=${user%%:*},password=${user#*:}]")
	done
	"${java[@]}" kafka.tools.StorageTool format --cluster-id "$(cat "$dir/data/cluster")" --config "$dir/node-$1.properties" "${scram[@]}" \
		>"$dir/format.log" 2>&1 || fail "the data folder could not be prepared: $(tail -n 5 "$dir/format.log")"
}

# check_data refuses data that were made for another cluster than the one that is asked for.
check_data() {
	if [ ! -f "$dir/data/cluster" ]; then
		mkdir -p "$dir/data"
		head -c 16 /dev/urandom | base64 | tr '+/' 'ab' | tr -d '=' >"$dir/data/cluster"
		(umask 077 && echo "$nodes $users" >"$dir/data/made_for")
	fi
	[ "$nodes $users" = "$(cat "$dir/data/made_for")" ] ||
		fail "$dir/data was made with other KAFKA_NODES or KAFKA_USERS; tools/kafka/down.sh --wipe deletes it"
}

# start NODE returns before the node is ready: three of them wait for each other.
start() {
	setsid nohup "${java[@]}" -Dorg.slf4j.simpleLogger.showDateTime=true kafka.Kafka "$dir/node-$1.properties" \
		>"$dir/node-$1.log" 2>&1 </dev/null &
	echo $! >"$dir/node-$1.pid"
}

# ready NODE waits until it serves.
ready() {
	local log=$dir/node-$1.log
	for _ in $(seq 600); do
		! grep -q 'Kafka Server started' "$log" || return 0
		running "$1" || fail "kafka ended: $(grep -E 'ERROR|Exception' "$log" | tail -n 5 || tail -n 20 "$log")"
		sleep 0.1
	done
	fail "kafka did not start within a minute; see $log"
}

[ "$nodes" = 1 ] || [ "$nodes" = 3 ] || fail "KAFKA_NODES is $nodes; 1 and 3 are possible"
away=()
for node in $(seq "$nodes"); do
	running "$node" || away+=("$node")
done
if [ ${#away[@]} = 0 ]; then
	echo "kafka runs already on 127.0.0.1:$(port 1)"
	exit 0
fi
install_tools
fetch_jars
[ -z "$users" ] || make_certificates
check_data
java=(java -Xms128m "-Xmx${KAFKA_HEAP:-512m}" -XX:+UseSerialGC -XX:+ExitOnOutOfMemoryError -Djava.awt.headless=true -cp "$jars/*")
for node in "${away[@]}"; do
	write_settings "$node"
	format "$node"
done

began=$(date +%s%N)
for node in "${away[@]}"; do
	start "$node"
done
sleep 1 # by then the processes are java, which running looks for
for node in "${away[@]}"; do
	ready "$node"
	echo "kafka $version is up: 127.0.0.1:$(port "$node"), process $(cat "$dir/node-$node.pid"), after $((($(date +%s%N) - began) / 1000000)) ms"
done
