//! Load on kept-alive connections, as much as a few callers who wait for each answer make.

use std::error::Error;
use std::sync::Barrier;

use sallyport_playground::Request;
use sallyport_playground::client::{Client, ClientError, Connection};

/// Requests on each connection before anything is measured: the handshake, the connection upstream, warm caches.
const WARM_UP: usize = 50;

/// Sends `requests` on each client's own connection, and reads what is to be measured just before and just after.
pub(super) fn drive<T: Send>(
    clients: &[Client],
    request: &Request,
    requests: usize,
    read: impl Fn() -> Result<T, Box<dyn Error>>,
) -> Result<(T, T), Box<dyn Error>> {
    // Everyone waits twice, whatever went wrong: else the others would wait for ever.
    let ready = Barrier::new(clients.len() + 1);
    let done = Barrier::new(clients.len() + 1);
    let run = |client: &Client| -> Result<(), String> {
        let mut warm = client.connect().and_then(|mut connection| {
            send(&mut connection, request, WARM_UP)?;
            Ok(connection)
        });
        ready.wait();
        let sent = warm.as_mut().map(|connection| send(connection, request, requests));
        done.wait();
        sent.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = clients.iter().map(|client| scope.spawn(|| run(client))).collect();
        ready.wait();
        let before = read();
        done.wait();
        let after = read();
        for thread in threads {
            thread.join().map_err(|_| "a client panicked")??;
        }
        Ok((before?, after?))
    })
}

fn send(connection: &mut Connection<'_>, request: &Request, times: usize) -> Result<(), ClientError> {
    for _ in 0..times {
        let response = connection.send(request)?;
        if response.status != 200 {
            let status = response.status;
            return Err(ClientError::BadResponse(format!(
                "{status} where 200 was expected: {}",
                response.text()
            )));
        }
    }
    Ok(())
}
