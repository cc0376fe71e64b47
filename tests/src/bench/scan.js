// Times the scanner's module in V8: `node -e THIS -- MODULE TABLES TEXT...` prints the nanoseconds of the fastest run for each text.
const fs = require("fs");
const [module, tables, ...texts] = process.argv.slice(1);
const { exports: scanner } = new WebAssembly.Instance(new WebAssembly.Module(fs.readFileSync(module)));

function put(bytes) {
  const at = scanner.room(bytes.length);
  new Uint8Array(scanner.memory.buffer, at, bytes.length).set(bytes);
}

put(fs.readFileSync(tables));
if (scanner.load() === 0) throw new Error("the module does not take the tables");
for (const name of texts) {
  put(fs.readFileSync(name));
  // V8 compiles anew, with optimisation, what it sees running often.
  for (let run = 0; run < 200; run++) scanner.text(1);
  let fastest = Infinity;
  for (let run = 0; run < 100; run++) {
    const began = process.hrtime.bigint();
    scanner.text(1);
    fastest = Math.min(fastest, Number(process.hrtime.bigint() - began));
  }
  console.log(fastest);
}
