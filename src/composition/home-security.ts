/** The keys of one entry of `homes` that protect its registrations and its traffic. */
import { z } from 'zod';
import type { ConfigurationContext } from '#daemon/configuration/config.ts';
import type { Report } from '#daemon/configuration/config-fields.ts';
import { publicKeyField } from '#daemon/configuration/ntmobile-fields.ts';
import { homePostQuantum } from '#daemon/configuration/post-quantum-fields.ts';
import { registrationKeyField } from '#daemon/configuration/protocol-fields.ts';

export function homeSecurityShape(context: ConfigurationContext) {
  return {
    publicKey: publicKeyField()
      .optional()
      .meta({
        description:
          "the home agent's public key, which sojourn-ha --show-key prints: registrations and " +
          'data are encrypted',
        details:
          "Replaces security. The home agent needs this node's key in mobileNodes; --show-key " +
          'prints it.',
        sample: 'base64:iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=',
      }),
    postQuantum: homePostQuantum(),
    security: z
      .union([z.literal('none'), registrationKeyField(context)])
      .optional()
      .meta({
        description:
          'without publicKey and esp: security association with the home agent, ' +
          '{ spi: …, keyFile: … }, or "none" to register without authentication; traffic is ' +
          'not encrypted',
      }),
  };
}

/** Reports a home without protection, or with another kind beside `publicKey`. */
export function checkHomeSecurity(home: object, report: Report): void {
  const others = ['security', 'esp'].filter((key) => Object.hasOwn(home, key));
  const isSealed = Object.hasOwn(home, 'publicKey');
  if (!isSealed && Object.hasOwn(home, 'postQuantum'))
    report('is used with publicKey only', 'give publicKey, or remove it', ['postQuantum']);
  if (isSealed) {
    for (const key of others) report('is not used beside publicKey', 'remove it', [key]);
  } else if (others.length === 0) {
    report(
      'has no publicKey and no security association',
      'give publicKey, as sojourn-ha --show-key prints it',
    );
  }
}
