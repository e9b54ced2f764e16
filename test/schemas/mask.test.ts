import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { maskNumber, normaliseNumber } from '../../schemas/mask.js';

describe('a masked number', () => {
  it.each([
    ['+15550100142', '+1 555 ••• 0142'],
    ['+1 (555) 010-0142', '+1 555 ••• 0142'],
    ['tel:+1-555-010-0142', '+1 555 ••• 0142'],
    ['whatsapp:+15550100142', '+1 555 ••• 0142'],
    ['+442079460123', '+44 ••• 0123'],
    ['+35312345678', '+353 ••• 5678'],
    ['+4912345', '+49 ••• 45'],
    ['+1', '+1 •••'],
    ['5550100142', '••• 0142'],
    ['12345', '•••45'],
    ['911', '•••'],
    ['sip:Alice@Example.com;transport=tcp', 'sip:a•••@example.com'],
    ['sip:+15550100142@pbx.example.com', 'sip:+1 555 ••• 0142@pbx.example.com'],
    ['alice@example.com', 'a•••@example.com'],
    ['client:Alice', 'client:a•••'],
    ['anonymous', 'anonymous'],
    ['Restricted', 'restricted'],
    ['ACME', 'a•••'],
    ['', ''],
  ])('shows %s as %s', (number, masked) => {
    expect(maskNumber(number)).toBe(masked);
  });

  it('never shows more than eight digits of a number', () => {
    const digits = fc.stringMatching(/^\+?[0-9]{1,20}$/);
    fc.assert(
      fc.property(digits, (number) => {
        const shown = maskNumber(number).replace(/\D/g, '');
        expect(shown.length).toBeLessThanOrEqual(8);
        const whole = number.replace(/\D/g, '');
        if (whole.length > 3) expect(shown.length).toBeLessThan(whole.length);
      }),
    );
  });
});

describe('a normalised number', () => {
  it.each([
    ['+1 (555) 010-0142', '+15550100142'],
    [' 12345 ', '12345'],
    ['SIP:Alice@Example.com;user=phone', 'sip:alice@example.com'],
    ['<sip:bob@example.com>', 'sip:bob@example.com'],
    ['Whatsapp:+15550100142', '+15550100142'],
    ['Anonymous', 'anonymous'],
  ])('reads %s as %s', (text, normal) => {
    expect(normaliseNumber(text)).toBe(normal);
  });

  it('does not change when it is normalised again', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const once = normaliseNumber(text);
        fc.pre(!/^(tel|whatsapp|messenger|rcs|sms):/.test(once) && !once.startsWith('<'));
        expect(normaliseNumber(once)).toBe(once);
      }),
    );
  });
});
