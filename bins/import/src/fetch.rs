//! A tar from a web server: HTTP/1.1 GET without encryption, redirects followed.
//!
//! https is left to programs that know certificates (`docs/decisions/0071-import-fetches-http-only.md`).

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, bail};
use cli::WithHint;

const REDIRECTS: usize = 10;
/// Bytes of one header line, and lines of one answer, that are read.
const LINE: u64 = 16 << 10;
const LINES: usize = 200;
const PATIENCE: Duration = Duration::from_secs(60);

/// A body on its way, with its size where the server says it.
pub struct Body {
    /// Its bytes; fewer than said are an error.
    pub stream: Box<dyn Read + Send>,
    /// How many, where known.
    pub size: Option<u64>,
}

/// Fetches `url`; without a scheme it is `http://`.
pub fn get(url: &str) -> anyhow::Result<Body> {
    let mut url = url.to_string();
    for _ in 0..=REDIRECTS {
        match once(&url).with_context(|| format!("cannot fetch '{}'", model::path::shown(url.as_bytes())))? {
            Answer::Body(body) => return Ok(body),
            Answer::Elsewhere(place) => url = place,
        }
    }
    bail!("cannot fetch '{}': more than {REDIRECTS} redirects", model::path::shown(url.as_bytes()))
}

enum Answer {
    Body(Body),
    Elsewhere(String),
}

struct Url<'u> {
    host: &'u str,
    port: u16,
    path: &'u str,
}

fn parse(url: &str) -> anyhow::Result<Url<'_>> {
    if url.starts_with("https://") {
        return Err(anyhow::anyhow!("https is not spoken here")).hint(format!("curl -fL '{url}' | import - NAME"));
    }
    let rest = url.strip_prefix("http://").unwrap_or(url);
    let cut = rest.find(['/', '?']).unwrap_or(rest.len());
    let (place, path) = rest.split_at(cut);
    let place = place.rsplit('@').next().unwrap_or(place);
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse().context("no such port")?),
        _ => (place, 80),
    };
    if host.is_empty() || url.contains(|c: char| c.is_control() || c == ' ') {
        bail!("not a URL");
    }
    Ok(Url { host, port, path: if path.is_empty() { "/" } else { path } })
}

fn once(url: &str) -> anyhow::Result<Answer> {
    let place = parse(url)?;
    let stream = TcpStream::connect((place.host.trim_matches(['[', ']']), place.port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let slash = if place.path.starts_with('/') { "" } else { "/" };
    let request = format!(
        "GET {slash}{} HTTP/1.1\r\nHost: {}:{}\r\nUser-Agent: dockless\r\nAccept: */*\r\nConnection: close\r\n\r\n",
        place.path, place.host, place.port
    );
    (&stream).write_all(request.as_bytes())?;
    let mut input = BufReader::with_capacity(256 << 10, stream);
    let head = head(&mut input)?;
    match head.status {
        200 => Ok(Answer::Body(body(input, &head)?)),
        301 | 302 | 303 | 307 | 308 => {
            Ok(Answer::Elsewhere(joined(url, &place, head.value("location").context("a redirect to nowhere")?)))
        }
        status => bail!("the server answers {status} {}", head.reason),
    }
}

fn joined(url: &str, place: &Url, location: &str) -> String {
    if location.contains("://") {
        return location.to_string();
    }
    let authority = format!("http://{}:{}", place.host, place.port);
    match location.starts_with('/') {
        true => format!("{authority}{location}"),
        false => format!("{}/{location}", url.rsplit_once('/').map_or(authority.as_str(), |(folder, _)| folder)),
    }
}

struct Head {
    status: u16,
    reason: String,
    fields: Vec<(String, String)>,
}

impl Head {
    fn value(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }
}

fn head(input: &mut impl BufRead) -> anyhow::Result<Head> {
    let first = line(input)?;
    let mut words = first.splitn(3, ' ');
    let (version, status) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if !version.starts_with("HTTP/1.") {
        bail!("that is no web server");
    }
    let mut head = Head {
        status: status.parse().context("that is no web server")?,
        reason: words.next().unwrap_or_default().to_string(),
        fields: Vec::new(),
    };
    for _ in 0..LINES {
        let text = line(input)?;
        let Some((name, value)) = text.split_once(':') else { return Ok(head) };
        head.fields.push((name.to_ascii_lowercase(), value.trim().to_string()));
    }
    bail!("its answer has too many header lines")
}

fn line(input: &mut impl BufRead) -> anyhow::Result<String> {
    let mut raw = Vec::new();
    input.take(LINE).read_until(b'\n', &mut raw)?;
    if raw.pop() != Some(b'\n') {
        bail!("the connection ended early");
    }
    Ok(String::from_utf8_lossy(&raw).trim_end_matches('\r').to_string())
}

fn body(input: BufReader<TcpStream>, head: &Head) -> anyhow::Result<Body> {
    let is_chunked = head.value("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
    let size: Option<u64> =
        head.value("content-length").filter(|_| !is_chunked).map(str::parse).transpose().context("no size")?;
    let stream: Box<dyn Read + Send> = match (is_chunked, size) {
        (true, _) => Box::new(Chunked { input, left: 0, begun: false, done: false }),
        (false, Some(size)) => Box::new(Exactly { input, left: size }),
        (false, None) => Box::new(input),
    };
    Ok(Body { stream, size })
}

/// A body of known size.
struct Exactly<R> {
    input: R,
    left: u64,
}

impl<R: Read> Read for Exactly<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.input.read(&mut buffer[..wanted])?;
        if read == 0 && wanted > 0 {
            return Err(cut());
        }
        self.left -= read as u64;
        Ok(read)
    }
}

/// A body in chunks, each with its size before it (RFC 9112, 7.1).
struct Chunked<R> {
    input: R,
    left: u64,
    begun: bool,
    done: bool,
}

impl<R: BufRead> Read for Chunked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 && !self.done {
            self.next_chunk()?;
        }
        if self.done || buffer.is_empty() {
            return Ok(0);
        }
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.input.read(&mut buffer[..wanted])?;
        if read == 0 {
            return Err(cut());
        }
        self.left -= read as u64;
        Ok(read)
    }
}

impl<R: BufRead> Chunked<R> {
    fn next_chunk(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.begun, true) {
            line(&mut self.input).map_err(|_| cut())?;
        }
        let text = line(&mut self.input).map_err(|_| cut())?;
        let digits = text.split(';').next().unwrap_or_default().trim();
        self.left = u64::from_str_radix(digits, 16).map_err(|_| io::Error::other("a chunk without a size"))?;
        self.done = self.left == 0;
        Ok(())
    }
}

fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended early")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// Serves the answers one after the other.
    fn serve(answers: Vec<&'static str>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut input = BufReader::new(stream.try_clone().unwrap());
                while !line(&mut input).unwrap().is_empty() {}
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        place
    }

    fn fetch(answers: Vec<&'static str>) -> Result<String, String> {
        let body = get(&format!("{}/a.tar", serve(answers))).map_err(|error| format!("{error:#}"))?;
        let mut text = String::new();
        let mut stream = body.stream;
        stream.read_to_string(&mut text).map_err(|error| error.to_string())?;
        Ok(text)
    }

    #[test]
    fn bodies_of_every_form_come_whole() {
        assert_eq!(fetch(vec!["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"]), Ok("hello".to_string()));
        assert_eq!(
            fetch(vec!["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n"]),
            Ok("hello".to_string())
        );
        assert_eq!(fetch(vec!["HTTP/1.0 200 OK\r\n\r\nhello"]), Ok("hello".to_string()));
        assert_eq!(
            fetch(vec![
                "HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n",
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"
            ])
            .map_err(|_| ()),
            Ok("x".to_string())
        );
    }

    #[test]
    fn a_cut_body_is_an_error() {
        for answer in [
            "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n",
        ] {
            assert_eq!(fetch(vec![answer]), Err("the connection ended early".to_string()));
        }
        assert!(
            fetch(vec!["HTTP/1.1 404 Not Found\r\n\r\n"]).unwrap_err().ends_with("the server answers 404 Not Found")
        );
    }

    #[test]
    fn places_are_read() {
        for (url, host, port, path) in
            [("a.b/c", "a.b", 80, "/c"), ("http://a:81", "a", 81, "/"), ("http://[::1]:8/x?y", "[::1]", 8, "/x?y")]
        {
            let place = parse(url).unwrap();
            assert_eq!((place.host, place.port, place.path), (host, port, path));
        }
        assert!(parse("https://a").is_err() && parse("http://").is_err());
    }
}
