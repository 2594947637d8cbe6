/** What the host asks of the virtual machine: parts by name, or a command of the caller. */
import { z } from 'zod';

/** Shared with the host: the plan, the exit code, reports and the kernel's log. */
export const REPORT_DIRECTORY = '/run/report';

export const PlanSchema = z.union([
  z.object({ parts: z.array(z.string()) }),
  z.object({ command: z.array(z.string()) }),
]);

export type Plan = z.infer<typeof PlanSchema>;

/** What a machine's parts came to, in `tally.json` of the report directory. */
export const TallyFileSchema = z.object({
  passed: z.number(),
  failures: z.array(z.string()),
});

export type TallyFile = z.infer<typeof TallyFileSchema>;
