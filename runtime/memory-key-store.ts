// The key store in memory: for unit tests, with the same contract as the one in Postgres.

import type { SubjectId, TenantId } from '../schemas/ids.js';
import type { KeyStore, WantedSubjectKey, WrappedSubjectKey } from './keys.js';

export interface MemoryKeyStore extends KeyStore {
  /** Destroys the subject's key, as an erasure does. */
  destroySubject(tenant: TenantId, subject: SubjectId): void;
  /** Destroys the day's key, as the end of the raw-retention period does. */
  destroyDay(tenant: TenantId, day: string): void;
}

/** A store that lives as long as the process. */
export function createMemoryKeyStore(): MemoryKeyStore {
  const tenants = new Map<TenantId, Buffer>();
  const days = new Map<string, Buffer | null>();
  const subjects = new Map<string, WrappedSubjectKey>();
  const byId = new Map<string, Buffer>();
  const putSubject = (wanted: WantedSubjectKey): WrappedSubjectKey => {
    const name = `${wanted.tenant}\0${wanted.subject}`;
    const present = subjects.get(name) ?? { keyId: wanted.keyId, wrapped: wanted.wrapped };
    subjects.set(name, present);
    byId.set(`${wanted.tenant}\0${present.keyId}`, present.wrapped);
    return present;
  };
  return {
    tenantKey: async (tenant, wrapped) => {
      const present = tenants.get(tenant) ?? wrapped;
      if (present !== null) tenants.set(tenant, present);
      return present;
    },
    subjectKeys: async (wanted) => wanted.map(putSubject),
    subjectKeysById: async (tenant, keyIds) => {
      const found = keyIds.flatMap((keyId): [string, Buffer][] => {
        const wrapped = byId.get(`${tenant}\0${keyId}`);
        return wrapped === undefined ? [] : [[keyId, wrapped]];
      });
      return new Map(found);
    },
    dayKey: async (tenant, day, wrapped) => {
      const name = `${tenant}\0${day}`;
      const present = days.get(name);
      if (present !== undefined) return present;
      if (wrapped !== null) days.set(name, wrapped);
      return wrapped;
    },
    dayKeys: async (wanted) =>
      wanted.map(({ tenant, day, wrapped }) => {
        const name = `${tenant}\0${day}`;
        const present = days.get(name);
        if (present !== undefined) return present;
        days.set(name, wrapped);
        return wrapped;
      }),
    destroySubject: (tenant, subject) => {
      const name = `${tenant}\0${subject}`;
      const present = subjects.get(name);
      if (present !== undefined) byId.delete(`${tenant}\0${present.keyId}`);
      subjects.delete(name);
    },
    destroyDay: (tenant, day) => {
      days.set(`${tenant}\0${day}`, null);
    },
  };
}
