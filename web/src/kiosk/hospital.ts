/** What a terminal asks the hospital, by the routes below `/terminal/v1/hospital/`. */

import type { components } from '../contract/terminal'
import type { Client, Signer } from '../terminal/requests'
import type { Whose } from './presence'

type Schemas = components['schemas']
export type Department = Schemas['DepartmentAnswer']
export type Session = Schemas['SessionAnswer']
export type Slot = Schemas['SlotAnswer']
export type Appointment = Schemas['AppointmentAnswer']
export type Registration = Schemas['RegistrationAnswer']
export type Bill = Schemas['BillAnswer']
export type Payment = Schemas['shualian__hospital__payments__api__PaymentAnswer']
export type Offer = Schemas['shualian__hospital__payments__api__OfferAnswer']
export type Ready = Schemas['ReadyAnswer']
export type Collected = Schemas['CollectedAnswer']
export type Look = Schemas['LookAnswer']
export type HelpCall = Schemas['HelpAnswer']
export type Evidence = Schemas['FaceBody'] | Schemas['CodeBody'] | Schemas['CardBody']
export type ShownEvidence = Schemas['CodeBody'] | Schemas['CardBody']

export const HOSPITAL_PREFIX = '/terminal/v1/hospital/'
const DAYS_SHOWN = 8

export interface Choice {
  session: Session
  /** Which time; the first free one where none was chosen. */
  slotNo: number | null
}

/** The hospital as a terminal meets it. A command with the same number again gives the same answer. */
export class Hospital {
  constructor(
    private readonly client: Client,
    private readonly signer: () => Signer,
  ) {}

  /** Sessions that are not over, of today alone or of the coming days; of one department or of all. */
  sessions(dept_code: string | null, days: 'today' | 'coming'): Promise<readonly Session[]> {
    return this.post('scheduling/sessions', { dept_code, days: days === 'today' ? 1 : DAYS_SHOWN })
  }

  slots(session_no: string): Promise<readonly Slot[]> {
    return this.post('scheduling/slots', { session_no })
  }

  register(command_id: string, choice: Choice, evidence: Evidence): Promise<Registration> {
    return this.post('scheduling/register', { command_id, evidence, ...chosen(choice) })
  }

  book(command_id: string, choice: Choice, evidence: Evidence): Promise<Appointment> {
    return this.post('scheduling/book', { command_id, evidence, ...chosen(choice) })
  }

  appointments(evidence: Evidence): Promise<readonly Appointment[]> {
    return this.post('scheduling/own', { evidence })
  }

  move(command_id: string, appointment_no: string, choice: Choice, evidence: Evidence): Promise<Appointment> {
    return this.post('scheduling/move', { command_id, appointment_no, evidence, ...chosen(choice) })
  }

  cancel(command_id: string, appointment_no: string, evidence: Evidence): Promise<Appointment> {
    return this.post('scheduling/cancel', { command_id, appointment_no, evidence })
  }

  checkIn(command_id: string, appointment_no: string, evidence: Evidence): Promise<Registration> {
    return this.post('scheduling/check-in', { command_id, appointment_no, evidence })
  }

  bills(whose: Whose): Promise<readonly Bill[]> {
    return this.post('bills/open', whose)
  }

  prepare(command_id: string, encounter_no: string): Promise<Payment> {
    return this.post('payments/prepare', { command_id, encounter_no })
  }

  offer(command_id: string): Promise<Offer> {
    return this.post('payments/offer', { command_id })
  }

  settle(command_id: string, evidence: Evidence, from_wallet_fen: number): Promise<Payment> {
    return this.post('payments/settle', { command_id, evidence, from_wallet_fen })
  }

  reserve(command_id: string): Promise<Payment> {
    return this.post('payments/reserve', { command_id })
  }

  reports(evidence: Evidence): Promise<readonly Ready[]> {
    return this.post('reports/list', { evidence })
  }

  collect(command_id: string, order_no: string, evidence: Evidence): Promise<Collected> {
    return this.post('reports/collect', { command_id, order_no, evidence })
  }

  looks(evidence: Evidence): Promise<readonly Look[]> {
    return this.post('records/looks', { evidence })
  }

  ring(): Promise<HelpCall> {
    return this.post('help', {})
  }

  bell(call_no: string): Promise<HelpCall> {
    return this.post('help/look', { call_no })
  }

  endCall(call_no: string): Promise<HelpCall> {
    return this.post('help/end', { call_no })
  }

  private post<Answer>(path: string, body: object): Promise<Answer> {
    return this.client.post<Answer>(HOSPITAL_PREFIX + path, body, this.signer())
  }
}

function chosen({ session, slotNo }: Choice): { session_no: string; slot_no: number | null } {
  return { session_no: session.session_no, slot_no: slotNo }
}
