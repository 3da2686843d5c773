/** Names for what the hospital's and the insurer's listeners answer; the shapes are generated. */

import type { components } from '../contract/hospital'

type S = components['schemas']

export type Account = S['AccountAnswer']
export type Amounts = S['shualian__hospital__cashier__api__AmountsAnswer']
export type Alert = S['AlertLine']
export type Asked = S['AskedAnswer']
export type DeskKind = Asked['desk']
export type Bed = S['BedLine']
export type Bill = S['shualian__hospital__cashier__api__PaymentAnswer']
export type BillState = Bill['state']
export type Code = S['CodeAnswer']
export type Day = S['DayAnswer']
export type DoctorLine = S['DoctorLine']
export type Encounter = S['EncounterAnswer']
export type Evidence =
  | S['HandedOverBody']
  | S['CodeBody']
  | S['CardBody']
  | S['DocumentBody']
export type Handover = S['HandoverAnswer']
export type Health = S['HealthLine']
export type Item = S['ItemAnswer']
export type Items = S['OpenItemsAnswer']
export type Order = S['OrderAnswer']
export type OrderKind = S['OrderKind']
export type Override = S['OverrideAnswer']
export type OwnDesk = S['OwnDeskAnswer']
export type Place = S['PlaceAnswer']
export type Preview = S['PreviewAnswer']
export type Queue = S['QueueAnswer']
export type Receipt = S['shualian__hospital__cashier__api__ReceiptAnswer']
export type Refund = S['RefundAnswer']
export type Report = S['ReportAnswer']
export type Request = S['RequestAnswer']
export type Role = S['Role']
export type Session = S['shualian__hospital__scheduling__api__SessionAnswer']
export type Shift = S['ShiftViewAnswer']
export type SignedIn = S['SignedInAnswer']
export type SignIn = S['SignInAnswer']
export type Standing = S['StandingAnswer']
export type Stay = S['StayLine']
export type StockBatch = S['shualian__hospital__dispensing__api__BatchAnswer']
export type Terminal = S['TerminalAnswer']
export type Unsettled = S['UnsettledLine']
export type View = S['shualian__hospital__desk__api__ViewAnswer']
export type Ward = S['WardLine']
export type WardCheck = S['CheckLine']
export type WardPayment = S['shualian__hospital__wards__api__PaymentAnswer']
export type Work = S['WorkAnswer']

/** The same in both languages. */
export interface Pair {
  zh: string
  en: string
}
