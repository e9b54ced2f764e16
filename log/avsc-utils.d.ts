// What avsc does not declare: the tap that values are written through.

declare module 'avsc/lib/utils.js' {
  interface Tap {
    readonly buf: Buffer;
    pos: number;
    writeString(text: string): void;
  }
  const utils: { readonly Tap: { new (buf: Buffer, pos: number): Tap; readonly prototype: Tap } };
  // eslint-disable-next-line import-x/no-default-export -- how a CommonJS module is seen from here
  export default utils;
}
