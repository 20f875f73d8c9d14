//! Buffers that an idle connection does not hold.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::ops::Deref;
use std::pin::Pin;
use std::task::Poll;

use tokio::io::{AsyncRead, ReadBuf};

/// Bytes read at most at once.
const CHUNK: usize = 64 << 10;
/// Buffers each thread keeps.
const KEPT_MAX: usize = 32;

thread_local! {
    static KEPT: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Bytes that were read; the buffer goes back when it is dropped.
#[derive(Debug)]
pub(crate) struct Chunk {
    buffer: Vec<u8>,
    len: usize,
}

impl Deref for Chunk {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.buffer.get(..self.len).unwrap_or_default()
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        KEPT.with_borrow_mut(|kept| {
            if kept.len() < KEPT_MAX {
                kept.push(buffer);
            }
        });
    }
}

/// Reads what there is, waiting without a buffer. Empty at the end of the stream.
pub(crate) async fn read<R: AsyncRead + Unpin>(from: &mut R) -> io::Result<Chunk> {
    poll_fn(|cx| {
        let buffer = KEPT.with_borrow_mut(Vec::pop);
        let mut chunk = Chunk {
            buffer: buffer.unwrap_or_else(|| vec![0; CHUNK]),
            len: 0,
        };
        let mut filled = ReadBuf::new(&mut chunk.buffer);
        match Pin::new(&mut *from).poll_read(cx, &mut filled) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) => {
                let len = filled.filled().len();
                chunk.len = len;
                Poll::Ready(Ok(chunk))
            }
        }
    })
    .await
}
