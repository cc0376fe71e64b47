// Puts damaged bytes to each codec: node damage.mjs DIRECTORY. Cuts, flipped bits, and lengths that are far too large, in every form
// that a length is written in, all over the smallest policy. A trap is a panic or an allocation that failed.
import { readFileSync } from "node:fs";

const [directory] = process.argv.slice(2);
const CODECS = { postcard: "postcard", wincode: "wincode", "wincode-varint": "wincode-varint", rkyv: "rkyv",
    "rkyv-access": "rkyv", bitcode: "bitcode" };
const PAGE = 65536;
const LENGTHS = ["ffffffff0f", "8080808001", "808040", "ffffffffffffffff", "ffffffff00000000", "0000001000000000",
    "0000100000000000", "fcffffffff", "fc00000010", "fdffffffffffffffff", "ffffff7f"].map(hex => Buffer.from(hex, "hex"));

let seed = 1;
/** A number below `end`, the same ones in every run. */
const below = end => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0, Math.floor(seed / 2 ** 32 * end));

function* damaged(whole) {
    const n = whole.length;
    for (let i = 0; i < 600; i++) yield ["cut", whole.subarray(0, i < 200 ? i : i < 400 ? n - (i - 199) : below(n))];
    for (let i = 0; i < 2000; i++) {
        const bytes = Buffer.from(whole);
        bytes[below(n)] ^= 1 << below(8);
        yield ["bit", bytes];
    }
    for (let i = 0; i < 500; i++) {
        const at = i < 100 ? i : i < 250 ? n - (i - 99) : below(n);
        for (const length of LENGTHS) {
            const bytes = Buffer.from(whole);
            length.copy(bytes, at);
            yield ["length", bytes];
        }
    }
}

for (const [name, codec] of Object.entries(CODECS)) {
    const module = new WebAssembly.Module(readFileSync(`${directory}/${name}.wasm`));
    const whole = readFileSync(`${directory}/${codec}-10.bin`);
    let vm = null;
    const counts = {}, traps = {};
    let most = 0;
    seed = 1;
    for (const [kind, bytes] of damaged(whole)) {
        if (vm === null) {
            const { memory, load } = new WebAssembly.Instance(module).exports;
            vm = { memory, load, at: memory.grow(Math.ceil(whole.length / PAGE)) * PAGE };
            load(vm.at, 0);
            vm.size = vm.memory.buffer.byteLength;
        }
        new Uint8Array(vm.memory.buffer).set(bytes, vm.at);
        let outcome;
        try {
            outcome = vm.load(vm.at, bytes.length) === 0 ? "refused" : "taken";
        } catch (error) {
            outcome = "trap";
            traps[error.message] = (traps[error.message] ?? 0) + 1;
        }
        const grown = vm.memory.buffer.byteLength - vm.size;
        most = Math.max(most, grown);
        if (outcome === "trap" || grown > 0) vm = null;
        const key = `${kind} ${outcome}`;
        counts[key] = (counts[key] ?? 0) + 1;
    }
    console.log(name.padEnd(15), JSON.stringify(counts), "most memory", (most / 2 ** 20).toFixed(1), "MiB", JSON.stringify(traps));
}
