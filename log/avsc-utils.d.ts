// What avsc does not declare: the tap that values are written through.

declare module 'avsc/lib/utils.js' {
  interface Tap {
    readonly buf: Buffer;
    pos: number;
    writeString(text: string): void;
  }
  const utils: { readonly Tap: { new (buf: Buffer, pos: number): Tap; readonly prototype: Tap } };
  export default utils;
}
