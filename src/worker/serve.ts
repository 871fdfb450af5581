/** The worker's end of the line: requests in, answers out. */
import type { Assets } from '../runtime/assets.js';
import { workerScope } from '../runtime/host.js';
import { packError } from './errors.js';
import { buffersIn, type FilePlaces, type Request, type Response } from './protocol.js';
import { Session } from './session.js';

/** Serves the thread that started this one. assetsOf: the files at these places. */
export async function serve(assetsOf: (places: FilePlaces) => Assets): Promise<void> {
  const session = new Session(assetsOf);
  const scope = await workerScope();
  scope.onMessage(async (message) => {
    const { id, method, args } = message as Request;
    let response: Response;
    try {
      response = { id, result: await session.answer(method, args as never) };
    } catch (error) {
      response = { id, error: packError(error) };
    }
    scope.post(response, 'result' in response ? [...buffersIn(response.result)] : []);
  });
}
