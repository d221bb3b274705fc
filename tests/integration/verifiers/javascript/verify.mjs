// Asks @sigstore/verify the questions of a JSON list on standard input, and answers with a JSON list of
// {accepted, reason}. It knows signed notes of a log and inclusion, neither consistency nor cosignatures.
//
// Usage: node verify.mjs DIRECTORY-OF-NODE_MODULES

import { createHash, createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(process.argv[2] + '/');
const { verifyCheckpoint } = require('@sigstore/verify/dist/tlog/checkpoint.js');
const { verifyMerkleInclusion } = require('@sigstore/verify/dist/tlog/merkle.js');

// RFC 8410: what comes before the 32 bytes of an Ed25519 key in a SubjectPublicKeyInfo.
const ED25519 = Buffer.from('302a300506032b6570032100', 'hex');

function logOf(vkey) {
  const name = vkey.slice(0, vkey.indexOf('+'));
  const bytes = Buffer.from(vkey.slice(name.length + '+12345678+'.length), 'base64');
  if (bytes[0] !== 1) throw new Error('not the key of a log');
  return {
    logID: createHash('sha256').update(name + '\n').update(bytes).digest(),
    baseURL: name,
    publicKey: createPublicKey({ key: Buffer.concat([ED25519, bytes.subarray(1)]), format: 'der', type: 'spki' }),
  };
}

function check(question) {
  const entry = {
    canonicalizedBody: Buffer.from(question.entry, 'base64'),
    inclusionProof: {
      logIndex: String(question.index),
      hashes: question.path.map((item) => Buffer.from(item, 'base64')),
      checkpoint: { envelope: question.note },
    },
  };
  const checkpoint = verifyCheckpoint(entry, question.log_keys.map(logOf));
  if (checkpoint.origin !== question.origin) throw new Error('another origin');
  verifyMerkleInclusion(entry, checkpoint);
}

const answers = JSON.parse(readFileSync(0, 'utf8')).map((question) => {
  try {
    check(question);
    return { accepted: true, reason: '' };
  } catch (error) {
    return { accepted: false, reason: String(error.message) };
  }
});
process.stdout.write(JSON.stringify(answers));
