//! A tar from a web server: http and https, redirects followed (`docs/decisions/0071-import-fetches-with-ureq.md`).

use std::io::{self, Read};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use ureq::Agent;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

const REDIRECTS: u32 = 10;
/// To be connected, and to be answered; the body may take as long as it takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where Debian and most others keep the authorities that this machine trusts.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A body on its way, with its size where the server says it.
pub struct Body {
    /// Its bytes; fewer than said are an error.
    pub stream: Box<dyn Read + Send>,
    /// How many, where known.
    pub size: Option<u64>,
}

/// Fetches `url`; without a scheme it is `http://`.
pub fn get(url: &str) -> anyhow::Result<Body> {
    let full = if url.contains("://") { url.to_string() } else { format!("http://{url}") };
    once(&full).with_context(|| format!("cannot fetch '{}'", model::path::shown(url.as_bytes())))
}

fn once(url: &str) -> anyhow::Result<Body> {
    let response = agent(url)?.get(url).header("User-Agent", "dockless").call()?;
    let status = response.status();
    if !status.is_success() {
        bail!("the server answers {} {}", status.as_u16(), status.canonical_reason().unwrap_or_default());
    }
    let body = response.into_body();
    let size = body.content_length();
    Ok(Body { stream: Box::new(Whole { input: body.into_reader(), left: size }), size })
}

fn agent(url: &str) -> anyhow::Result<Agent> {
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(REDIRECTS)
        .timeout_connect(Some(PATIENCE))
        .timeout_recv_response(Some(PATIENCE));
    // A plain server may send on to an encrypted one, so its roots are looked for whatever the URL; that they are not
    // to be had matters to https alone.
    match authorities() {
        Ok(roots) => config = config.tls_config(TlsConfig::builder().root_certs(roots).build()),
        Err(error) if url.starts_with("https://") => return Err(error),
        Err(_) => {}
    }
    Ok(config.build().new_agent())
}

/// The authorities that this machine trusts: `SSL_CERT_FILE`, as OpenSSL has it, else the system's; where there are
/// none, Mozilla's as they come with the library.
fn authorities() -> anyhow::Result<RootCerts> {
    let given = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    let path = given.clone().unwrap_or_else(|| AUTHORITIES.into());
    let pem = match std::fs::read(&path) {
        Ok(pem) => pem,
        Err(error) if error.kind() == io::ErrorKind::NotFound && given.is_none() => return Ok(RootCerts::WebPki),
        Err(error) => return Err(error).with_context(|| format!("cannot read the authorities '{}'", path.display())),
    };
    let certificates = parse_pem(&pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    Ok(RootCerts::new_with_certs(&certificates.collect::<Vec<Certificate<'static>>>()))
}

/// A body that ends early is an error, also where the connection was closed in order.
struct Whole<R> {
    input: R,
    left: Option<u64>,
}

impl<R: Read> Read for Whole<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(read as u64);
            if read == 0 && *left > 0 && !buffer.is_empty() {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended early"));
            }
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    /// Serves the answers one after the other.
    fn serve(answers: Vec<&'static str>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let input = BufReader::new(stream.try_clone().unwrap());
                for line in input.lines() {
                    if line.unwrap().is_empty() {
                        break;
                    }
                }
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
        for answers in [
            vec!["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"],
            vec!["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n"],
            vec!["HTTP/1.0 200 OK\r\n\r\nhello"],
            vec![
                "HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            ],
        ] {
            assert_eq!(fetch(answers.clone()), Ok("hello".to_string()), "{answers:?}");
        }
    }

    #[test]
    fn a_cut_body_is_an_error() {
        for answer in [
            "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n",
        ] {
            assert!(fetch(vec![answer]).is_err(), "{answer}");
        }
        let refusal = fetch(vec!["HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"]).unwrap_err();
        assert!(refusal.ends_with("the server answers 404 Not Found"), "{refusal}");
    }
}
