/**
 * Octets that are kept for long, as a text with one character for each: keys and identifiers of
 * very many peers. A `Uint8Array` takes 250 octets more, most of them for its `ArrayBuffer`.
 */
declare const octetTextBrand: unique symbol;

export type OctetText = string & { readonly [octetTextBrand]: true };

export function octetText(octets: Uint8Array): OctetText {
  return String.fromCharCode(...octets) as OctetText;
}

export function octetsOf(text: OctetText): Uint8Array {
  const octets = new Uint8Array(text.length);
  for (let at = 0; at < octets.length; at += 1) octets[at] = text.charCodeAt(at);
  return octets;
}
