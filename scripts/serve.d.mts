export interface ServeOptions {
  /** Default 0: any that is free. */
  port?: number;
  /** Sent with every answer; default: isolation and policy. */
  headers?: Record<string, string>;
  /** More folders, by the path they are served under. */
  served?: Record<string, string>;
  /** Where / leads to. */
  start?: string;
}

export const isolation: Record<string, string>;
export const policy: Record<string, string>;
export function serve(options?: ServeOptions): Promise<{ url: string; close(): Promise<void> }>;
