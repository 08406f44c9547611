//! What services do with cadence, as it is by default, and as it is in a container.

use std::env;
use std::error::Error;
use std::net::UdpSocket;
use std::time::Duration;

use cadence::prelude::*;
use cadence::{StatsdClient, UdpMetricSink};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().collect();
    let sink = UdpMetricSink::from(&*args[1], UdpSocket::bind("0.0.0.0:0")?)?;
    let mut builder = StatsdClient::builder("shop", sink).with_tag("env", "test");
    if args[2] == "container" {
        builder = builder.with_container_id("abc123");
    }
    let client = builder.build();
    client.count_with_tags("orders", 1).with_tag("country", "fr").try_send()?;
    client.count_with_tags("orders", 2).with_tag("country", "fr").try_send()?;
    client.count_with_tags("visits", 1).with_tag_value("bare").try_send()?;
    client.count("stock", 5)?;
    client.decr("stock")?;
    client.gauge("temperature", 21.5)?;
    client.histogram("size", 1.25)?;
    client.histogram("size", 2.0)?;
    client.distribution("latency", 3.0)?;
    client.time("took", Duration::from_millis(320))?;
    client.meter("metered", 3)?;
    client.time("several", vec![1, 2, 3])?;
    client.set("users", 1)?;
    client.set("users", 2)?;
    client.set("users", 1)?;
    client.gauge_with_tags("stamped", 7).with_timestamp(1_700_000_000).try_send()?;
    client.incr("last")?;
    Ok(())
}
