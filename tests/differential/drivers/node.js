// Node's JSON.parse. src/parser.rs says what is read and written, src/canonical.rs what the canonical form is.
'use strict';
const crypto = require('node:crypto');
const fs = require('node:fs');

const bits = new DataView(new ArrayBuffer(8));
// Refuses what is not UTF-8 instead of replacing it; a byte order mark is left for JSON.parse to refuse.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function string(text, out) {
  const bytes = Buffer.from(text);
  out.push(Buffer.from(`s${bytes.length}:`), bytes);
}

function canonical(value, out) {
  if (value === null) out.push(Buffer.from('n'));
  else if (value === true) out.push(Buffer.from('t'));
  else if (value === false) out.push(Buffer.from('f'));
  else if (typeof value === 'string') string(value, out);
  else if (typeof value === 'number') {
    bits.setFloat64(0, value);
    out.push(Buffer.from(`d${bits.getBigUint64(0).toString(16).padStart(16, '0')}`));
  } else if (Array.isArray(value)) {
    out.push(Buffer.from(`a${value.length}:`));
    for (const item of value) canonical(item, out);
  } else {
    // Strings sort by their UTF-16; the form asks for the order of their UTF-8.
    const keys = Object.keys(value).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    out.push(Buffer.from(`o${keys.length}:`));
    for (const key of keys) {
      string(key, out);
      canonical(value[key], out);
    }
  }
}

function answer(body, show) {
  try {
    const out = [];
    canonical(JSON.parse(decoder.decode(body)), out);
    const form = Buffer.concat(out);
    return show ? form.toString('hex') : crypto.createHash('sha256').update(form).digest('hex');
  } catch (why) {
    return `- ${JSON.stringify(why.message).replace(/[^ -~]/g, '?').slice(0, 78)}`;
  }
}

// Reads exactly so many bytes; null at the end of the input.
function read(length) {
  const buffer = Buffer.alloc(length);
  for (let at = 0; at < length; ) {
    let got = 0;
    try {
      got = fs.readSync(0, buffer, at, length - at, null);
    } catch (why) {
      if (why.code === 'EAGAIN') continue;
      throw why;
    }
    if (got === 0) return null;
    at += got;
  }
  return buffer;
}

const show = process.argv.at(-1) === 'show';
fs.writeSync(1, `Node ${process.version} JSON.parse\n`);
for (let head; (head = read(4)) !== null; ) {
  const lines = [];
  for (let left = head.readUInt32BE(0); left > 0; left--) {
    lines.push(answer(read(read(4).readUInt32BE(0)), show));
  }
  // A pipe takes what fits, and the rest is written next.
  for (let rest = Buffer.from(`${lines.join('\n')}\n`); rest.length > 0; ) {
    try {
      rest = rest.subarray(fs.writeSync(1, rest));
    } catch (why) {
      if (why.code !== 'EAGAIN') throw why;
    }
  }
}
