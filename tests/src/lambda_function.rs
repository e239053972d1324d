//! A function's process under Lambda's runtime API, played on loopback: events in, answers out.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>, as far as a function that is well uses it.

use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long an invocation may last.
const TIME_OUT: Duration = Duration::from_secs(300);

/// A running function.
pub struct LambdaFunction {
    child: Child,
    events: Sender<String>,
    answers: Receiver<Answer>,
}

/// What an invocation came to.
#[derive(Debug)]
pub enum Answer {
    Well(Value),
    /// `errorType`, `errorMessage`.
    Failed(Value),
}

impl LambdaFunction {
    /// Starts `binary` with nothing in its environment but this and what Lambda sets.
    pub fn start(binary: &str, environment: &[(&str, &str)]) -> LambdaFunction {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (events, waiting) = channel();
        let (answered, answers) = channel();
        let waiting = Arc::new(Mutex::new(waiting));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (waiting, answered) = (waiting.clone(), answered.clone());
                // A connection ends with the process.
                std::thread::spawn(move || stream.and_then(|stream| connection(stream, &waiting, &answered)));
            }
        });
        let child = command(binary, environment)
            .env("AWS_LAMBDA_RUNTIME_API", address)
            .env("AWS_LAMBDA_FUNCTION_NAME", "under-test")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        LambdaFunction { child, events, answers }
    }

    /// One invocation.
    pub fn invoke(&self, event: &str) -> Answer {
        self.events.send(event.to_owned()).unwrap();
        self.answers.recv_timeout(TIME_OUT).expect("the function answers")
    }

    /// One invocation that must go well.
    pub fn well(&self, event: &str) -> Value {
        match self.invoke(event) {
            Answer::Well(answer) => answer,
            Answer::Failed(error) => panic!("{error}"),
        }
    }
}

impl Drop for LambdaFunction {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }
}

/// The function's process, without what Lambda sets.
pub fn command(binary: &str, environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(binary);
    command.env_clear().envs(environment.iter().copied());
    command
}

/// Answers requests for the next event, and takes the function's answers.
fn connection(stream: TcpStream, waiting: &Mutex<Receiver<String>>, answered: &Sender<Answer>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let Some((name, value)) = header.trim().split_once(':') else {
                break;
            };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        if target.ends_with("/invocation/next") {
            // The test is over when nobody sends events any more.
            let Ok(event) = waiting.lock().unwrap().recv() else { return Ok(()) };
            let deadline_ms = (SystemTime::now() + TIME_OUT).duration_since(UNIX_EPOCH).unwrap().as_millis();
            write!(
                writer,
                "HTTP/1.1 200 OK\r\nlambda-runtime-aws-request-id: the-request\r\nlambda-runtime-deadline-ms: {deadline_ms}\r\nlambda-runtime-invoked-function-arn: arn:aws:lambda:eu-central-1:111122223333:function:under-test\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{event}",
                event.len()
            )?;
        } else {
            let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
            write!(writer, "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")?;
            let answer = if target.ends_with("/response") {
                Answer::Well(body)
            } else {
                Answer::Failed(body)
            };
            // Nobody waits for it when the test is over.
            let _ = answered.send(answer);
        }
    }
}
