/** What an enrolled browser knows of itself, kept in IndexedDB: keys are stored as objects. */

export interface Identity {
  key: CryptoKeyPair
  keyId: string
  terminalId: string
  placeId: string
}

export interface IdentityStore {
  identity(): Promise<Identity | null>
  keep(identity: Identity): Promise<void>
  /** A key that waits for the answer to an enrolment: after a lost answer the same is used. */
  waitingKey(): Promise<CryptoKeyPair | null>
  keepWaitingKey(key: CryptoKeyPair): Promise<void>
  forget(): Promise<void>
}

const DATABASE = 'shualian-terminal'
const STORE = 'kept'
const IDENTITY = 'identity'
const WAITING = 'waiting-key'

export class BrowserStore implements IdentityStore {
  async identity(): Promise<Identity | null> {
    return (await this.read<Identity>(IDENTITY)) ?? null
  }

  async keep(identity: Identity): Promise<void> {
    await this.change((store) => {
      store.put(identity, IDENTITY)
      store.delete(WAITING)
    })
    // Without this a browser may drop the key when its disk is full.
    await navigator.storage?.persist?.()
  }

  async waitingKey(): Promise<CryptoKeyPair | null> {
    return (await this.read<CryptoKeyPair>(WAITING)) ?? null
  }

  async keepWaitingKey(key: CryptoKeyPair): Promise<void> {
    await this.change((store) => store.put(key, WAITING))
  }

  async forget(): Promise<void> {
    await this.change((store) => store.clear())
  }

  private async read<Value>(name: string): Promise<Value | undefined> {
    const database = await opened()
    try {
      return await settled<Value | undefined>(
        database.transaction(STORE, 'readonly').objectStore(STORE).get(name),
      )
    } finally {
      database.close()
    }
  }

  private async change(write: (store: IDBObjectStore) => void): Promise<void> {
    const database = await opened()
    try {
      const transaction = database.transaction(STORE, 'readwrite')
      write(transaction.objectStore(STORE))
      await new Promise<void>((done, fail) => {
        transaction.oncomplete = () => done()
        transaction.onabort = () => fail(transaction.error ?? new Error('not stored'))
      })
    } finally {
      database.close()
    }
  }
}

/** In memory, for tests and for pictures of the screens. */
export class MemoryStore implements IdentityStore {
  private kept: Identity | null = null
  private waiting: CryptoKeyPair | null = null

  async identity(): Promise<Identity | null> {
    return this.kept
  }

  async keep(identity: Identity): Promise<void> {
    this.kept = identity
    this.waiting = null
  }

  async waitingKey(): Promise<CryptoKeyPair | null> {
    return this.waiting
  }

  async keepWaitingKey(key: CryptoKeyPair): Promise<void> {
    this.waiting = key
  }

  async forget(): Promise<void> {
    this.kept = null
    this.waiting = null
  }
}

function opened(): Promise<IDBDatabase> {
  const request = indexedDB.open(DATABASE, 1)
  request.onupgradeneeded = () => request.result.createObjectStore(STORE)
  return settled(request)
}

function settled<Value>(request: IDBRequest<Value>): Promise<Value> {
  return new Promise((done, fail) => {
    request.onsuccess = () => done(request.result)
    request.onerror = () => fail(request.error ?? new Error('IndexedDB'))
  })
}
