// Sums up a CI run: node .ci/count.mjs REPORT TESTS [OTHER ...], the JSON report of vitest and the exit codes of the test
// command and of every other step. Prints `N passed, N failed` last and fails if anything did.
import { existsSync, readFileSync } from 'node:fs';

const [report, testsExit, ...others] = process.argv.slice(2);
let passed = 0;
let failed = 0;
if (existsSync(report)) {
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests } = JSON.parse(readFileSync(report, 'utf8'));
  const skipped = numPendingTests + numTodoTests;
  if (skipped > 0) console.log(`${skipped} tests were skipped: counted as failed`);
  passed += numPassedTests;
  failed += numFailedTests + skipped;
} else console.log('the test command left no report');
// A file that does not load or an error outside a test fails the command without a failed test; so does an empty run.
if ((testsExit !== '0' && failed === 0) || passed + failed === 0) failed++;
for (const exit of others) {
  if (exit === '0') passed++;
  else failed++;
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
