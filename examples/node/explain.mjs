// Prints a streamed explanation: node explain.mjs HOST:PORT MODEL TEXT
import { fileURLToPath } from "node:url";
import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";

const [server, model, text] = process.argv.slice(2);
const protos = process.env.LIGSERVE_PROTOS ?? fileURLToPath(new URL("../../protos", import.meta.url));
const definition = protoLoader.loadSync("ligserve/v1/explanation_service.proto", {
  includeDirs: [protos],
  enums: String,
  longs: Number,
  defaults: true,
  oneofs: true,
});
const { ligserve } = grpc.loadPackageDefinition(definition);
const client = new ligserve.v1.ExplanationService(server, grpc.credentials.createInsecure());

// A text that is longer than the model would come in several windows, which this example does not add up.
const options = { tolerance: { relative: 0.001 }, longInput: { refuse: {} } };
const request = { model, sequenceClassification: { text }, options };
const stream = client.streamExplain({ request }, { deadline: Date.now() + 60_000 });
// Offsets count Unicode code points, JavaScript's strings count UTF-16 units.
const characters = Array.from(text);
let header;
let tokens;
let scores;

// Appends what a later message brings, as protobuf merges messages.
function merge(whole, more) {
  for (const [name, value] of Object.entries(more)) {
    if (Array.isArray(value)) (whole[name] ??= []).push(...value);
    else if (value && typeof value === "object") whole[name] = merge(whole[name] ?? {}, value);
    else if (value) whole[name] = value;
  }
  return whole;
}

// A header that is too large for one message goes on in others; so may a window.
function mergeHeader(whole, more) {
  const last = whole.windows?.at(-1);
  if (last && more.windows[0]?.index === last.index) merge(last, more.windows.shift());
  return Object.assign(merge(whole, more), { continued: more.continued });
}

stream.on("data", (event) => {
  if (event.event === "header" || event.event === "moreHeader") {
    header = mergeHeader(header ?? {}, event[event.event]);
    if (header.continued) return;
    tokens = header.windows[0].tokens;
    const { predictedLabel, predictedIndex, probabilities } = header.prediction;
    console.log(`${predictedLabel} with probability ${probabilities[predictedIndex].toFixed(4)}`);
  } else if (event.event === "estimate") {
    // Long texts arrive in pieces, and each round replaces the one before it.
    scores = Object.assign(scores ?? [], Object.fromEntries(
      event.estimate.scores.map((score, i) => [event.estimate.firstToken + i, score])));
  } else if (event.event === "summary") {
    tokens.starts.forEach((start, i) => {
      const piece = tokens.special[i] ? tokens.texts[i] : characters.slice(start, tokens.ends[i]).join("");
      console.log(`${scores[i].toFixed(4).padStart(8)}  ${piece}`);
    });
    const [{ scoreSum, fInput, fBaseline, points }] = event.summary.targets;
    const change = (fInput - fBaseline).toFixed(4);
    console.log(`sum ${scoreSum.toFixed(4)}, f(input) - f(baseline) ${change}, ${points} points`);
  }
});
stream.on("error", (error) => {
  console.error(`${grpc.status[error.code]}: ${error.details}`);
  process.exitCode = 1;
});
stream.on("end", () => client.close());
