// Loads each policy with each codec in V8, optimised from the start: node --no-liftoff measure.mjs DIRECTORY.
// Rounds go through all codecs in turn and the least time counts, of the processor rather than of the clock, so that what else the machine does weighs little.
import { readFileSync } from "node:fs";

const [directory] = process.argv.slice(2);
const CODECS = { postcard: "postcard", wincode: "wincode", "wincode-varint": "wincode-varint", rkyv: "rkyv",
    "rkyv-access": "rkyv", bitcode: "bitcode" };
const ROUNDS = { 10: 60, 1000: 60, 10000: 60, "10000-own": 12, hollow: 3 };
const PAGE = 65536;

const modules = Object.fromEntries(Object.keys(CODECS).map(name =>
    [name, new WebAssembly.Module(readFileSync(`${directory}/${name}.wasm`))]));

/** Two loads in a VM of its own: milliseconds of the processor of the first, which has the VM grow, and of the second; and the memory
 * that the VM grew by beyond the bytes themselves. */
function measure(name, bytes, sum) {
    const { memory, load } = new WebAssembly.Instance(modules[name]).exports;
    const at = memory.grow(Math.ceil(bytes.length / PAGE)) * PAGE;
    new Uint8Array(memory.buffer).set(bytes, at);
    const before = memory.buffer.byteLength;
    const timed = () => {
        const start = process.cpuUsage();
        if (load(at, bytes.length) !== sum) throw new Error(`${name} reads something else`);
        const { user, system } = process.cpuUsage(start);
        return (user + system) / 1e3;
    };
    const first = timed();
    const grown = memory.buffer.byteLength - before;
    return { first, again: timed(), grown };
}

/** What every codec is to read in a policy. */
function expected(bytes) {
    const { memory, load } = new WebAssembly.Instance(modules.postcard).exports;
    const at = memory.grow(Math.ceil(bytes.length / PAGE)) * PAGE;
    new Uint8Array(memory.buffer).set(bytes, at);
    return load(at, bytes.length);
}

for (const [policy, rounds] of Object.entries(ROUNDS)) {
    const found = {};
    const encoded = Object.fromEntries(Object.entries(CODECS).map(([name, codec]) =>
        [name, readFileSync(`${directory}/${codec}-${policy}.bin`)]));
    const sum = expected(encoded.postcard);
    if (sum === 0) throw new Error("postcard refuses what it wrote");
    for (let round = 0; round < rounds; round++) {
        for (const [name, bytes] of Object.entries(encoded)) {
            const { first, again, grown } = measure(name, bytes, sum);
            const least = found[name] ??= { first, again, grown };
            least.first = Math.min(least.first, first);
            least.again = Math.min(least.again, again);
        }
    }
    for (const [name, { first, again, grown }] of Object.entries(found)) {
        const columns = [`${encoded[name].length} B`, `${first.toFixed(2)} ms`, `again ${again.toFixed(2)} ms`,
            `${(grown / 2 ** 20).toFixed(1)} MiB`];
        console.log(policy.padEnd(10), name.padEnd(15), ...columns.map(column => column.padStart(16)));
    }
}
