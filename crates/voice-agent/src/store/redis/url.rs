//! `REDIS_URL`: one server, or the Sentinels that know which it is.

use redis::sentinel::{SentinelClientBuilder, SentinelServerType};
use redis::{Client, ConnectionAddr, TlsMode};
use tokio::sync::Mutex;

use super::link::Source;

/// A Sentinel's port.
const SENTINEL_PORT: u16 = 26_379;

/// What a URL may look like.
const FORMS: &str = "redis://[user:password@]host[:port][/db], rediss:// with TLS, or \
                     redis+sentinel://[user:password@]host[:port][,host[:port]…]/service[/db]\
                     [?sentinel_user=…&sentinel_password=…&sentinel_tls=yes|no], rediss+sentinel:// with TLS";

/// Reads the URL, and connects to nothing. Errors never repeat it: it has a password.
pub(super) fn parse(url: &str) -> Result<Source, String> {
    let (scheme, rest) = url.split_once("://").ok_or_else(|| wrong("it has no scheme"))?;
    match scheme {
        // redis-rs would believe any certificate for one word there.
        "redis" | "rediss" if rest.contains('#') => {
            Err(wrong("nothing may stand behind a #; in a password it is written %23"))
        }
        "redis" | "rediss" => {
            let client = Client::open(url).map_err(|_| wrong("it cannot be read"))?;
            Ok(Source::Server(Box::new(client)))
        }
        "redis+sentinel" | "rediss+sentinel" => sentinel(rest, scheme.starts_with("rediss")),
        _ => Err(wrong("its scheme is not one of these")),
    }
}

fn wrong(why: &str) -> String {
    format!("cannot be used: {why}; it is {FORMS}")
}

fn sentinel(rest: &str, tls: bool) -> Result<Source, String> {
    let (credentials, places) = rest.rsplit_once('@').map_or((None, rest), |(who, places)| (Some(who), places));
    let (places, query) = places.split_once('?').unwrap_or((places, ""));
    let to_sentinels = ToSentinels::parse(query, tls)?;
    let (hosts, path) = places.split_once('/').ok_or_else(|| wrong("it names no service behind the hosts"))?;
    let (service, db) = path.split_once('/').map_or((path, None), |(service, db)| (service, Some(db)));
    if service.is_empty() {
        return Err(wrong("it names no service behind the hosts"));
    }
    let addresses = hosts.split(',').map(|host| address(host, to_sentinels.tls)).collect::<Result<Vec<_>, _>>()?;
    let builder = SentinelClientBuilder::new(addresses, service, SentinelServerType::Master);
    let mut builder = builder.map_err(|_| wrong("it names no Sentinel"))?;
    if tls {
        builder = builder.set_client_to_redis_tls_mode(TlsMode::Secure);
    }
    if let Some(db) = db.filter(|db| !db.is_empty()) {
        builder = builder.set_client_to_redis_db(db.parse().map_err(|_| wrong("its database is not a number"))?);
    }
    if let Some(credentials) = credentials {
        let (user, password) = credentials.split_once(':').ok_or_else(|| wrong("a user needs a password"))?;
        if !user.is_empty() {
            builder = builder.set_client_to_redis_username(decoded(user)?);
        }
        builder = builder.set_client_to_redis_password(decoded(password)?);
    }
    if let Some(user) = to_sentinels.user {
        builder = builder.set_client_to_sentinel_username(user);
    }
    if let Some(password) = to_sentinels.password {
        builder = builder.set_client_to_sentinel_password(password);
    }
    let client = builder.build().map_err(|_| wrong("it cannot be read"))?;
    Ok(Source::Sentinel(Box::new(Mutex::new(client))))
}

/// How the Sentinels themselves are spoken to: with TLS where the master is, and as nobody, unless the query says otherwise.
struct ToSentinels {
    tls: bool,
    user: Option<String>,
    password: Option<String>,
}

impl ToSentinels {
    fn parse(query: &str, tls: bool) -> Result<Self, String> {
        let mut found = Self { tls, user: None, password: None };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=').unwrap_or((pair, "")) {
                ("sentinel_user", user) => found.user = Some(decoded(user)?),
                ("sentinel_password", password) => found.password = Some(decoded(password)?),
                ("sentinel_tls", "yes") => found.tls = true,
                ("sentinel_tls", "no") => found.tls = false,
                _ => return Err(wrong("what stands behind its ? is not known")),
            }
        }
        if found.user.is_some() && found.password.is_none() {
            return Err(wrong("a sentinel_user needs a sentinel_password"));
        }
        Ok(found)
    }
}

fn address(text: &str, tls: bool) -> Result<ConnectionAddr, String> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().map_err(|_| wrong("a Sentinel's port is not a number"))?),
        None => (text, SENTINEL_PORT),
    };
    if host.is_empty() {
        return Err(wrong("a Sentinel's host is empty"));
    }
    let host = host.to_owned();
    Ok(if tls {
        ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
    } else {
        ConnectionAddr::Tcp(host, port)
    })
}

/// `%40` is `@`.
fn decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next(), rest.next()].map(|digit| digit.and_then(|digit| char::from(digit).to_digit(16)));
        let [Some(high), Some(low)] = digits else { return Err(wrong("a % is not followed by two digits")) };
        bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
    }
    String::from_utf8(bytes).map_err(|_| wrong("its user or password is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read() {
        for url in [
            "redis://voice-redis:6379",
            "redis://voice-redis",
            "rediss://agent:s%40crets@redis.example.com:6380/1",
            "redis+sentinel://a,b:26380,c/mymaster",
            "rediss+sentinel://agent:s%40cret@a:1/mymaster/2",
            "rediss+sentinel://agent:s%40cret@a:1/mymaster?sentinel_user=agent&sentinel_password=s%3fcret",
            "redis+sentinel://a/mymaster/2?sentinel_password=s%26cret&sentinel_tls=yes",
        ] {
            assert!(parse(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_said_without_the_password() {
        for url in [
            "voice-redis:6379",
            "http://user:hunter2@voice-redis",
            "redis+sentinel://user:hunter2@a,b",
            "redis+sentinel://user:hunter2@/mymaster",
            "redis+sentinel://user:hunter2@a:hunter2/mymaster",
            "redis+sentinel://user:hunter2%zz@a/mymaster",
            "redis+sentinel://a/mymaster/hunter2",
            "redis+sentinel://a/mymaster?password=hunter2",
            "redis+sentinel://a/mymaster?sentinel_user=hunter2",
            "redis+sentinel://a/mymaster?sentinel_tls=hunter2",
            "redis://user:hunter2@voice redis/x",
            "rediss://user:hunter2@voice-redis#insecure",
        ] {
            let error = parse(url).err().unwrap();
            assert!(error.contains("rediss://") && !error.contains("hunter2"), "{url}: {error}");
        }
    }
}
