/**
 * Whom a change of one variable concerns, among watches with conditions. Path: observer manager -> [condition index] -> watch.
 * Watches that ask the same are a group, asked once; where there are many groups, condition groups finds those that a change may concern.
 * Full: the server's limits on watches bound it. Closed: it is let go of with its last member.
 */
import type { AskedCondition } from '../../shared/delivery/condition-text.js';
import type { Members } from '../../shared/one-or-many.js';
import { hasMember, withMember, withoutMember } from '../../shared/one-or-many.js';
import type { VariableValue } from '../../shared/values/variable-type.js';
import type { AskingGroup } from './condition-groups.js';
import { ConditionGroups, meetsGroup } from './condition-groups.js';
import type { StepCount } from './sorted-thresholds.js';

export class ConditionIndex<M extends object> implements StepCount {
  /** What searching, asking and telling have cost so far: comparisons, parts of conditions, members. */
  steps = 0;
  /** While they are few: asked one by one. */
  #few: Group<M>[] | undefined = [];
  #many: ConditionGroups<Group<M>> | undefined;
  #size = 0;

  /** Members. */
  get size(): number {
    return this.#size;
  }

  /** False when it is there already with that condition. */
  add(asked: AskedCondition, member: M): boolean {
    let group = this.#find(asked.text);
    if (group === undefined) {
      group = new Group(asked);
      this.#put(group);
    }
    if (!group.add(member)) return false;
    this.#size += 1;
    return true;
  }

  /** False when it is not there. */
  remove(asked: AskedCondition, member: M): boolean {
    const group = this.#find(asked.text);
    if (group?.remove(member) !== true) return false;
    this.#size -= 1;
    if (group.isEmpty) this.#take(group);
    return true;
  }

  /** Each member whose condition the change meets, at most once. Those that go meanwhile are not told. */
  forEachConcerned(old: VariableValue, value: VariableValue, tell: (member: M, asked: AskedCondition) => void): void {
    const found: Group<M>[] = [];
    if (this.#few !== undefined) {
      for (const group of this.#few) if (meetsGroup(group, old, value, this)) found.push(group);
    } else this.#many!.find(old, value, found);
    for (const group of found) group.forEach(tell, this);
  }

  forEach(tell: (member: M, asked: AskedCondition) => void): void {
    for (const group of this.#few ?? [...this.#many!.groups.values()]) group.forEach(tell, this);
  }

  #find(text: string): Group<M> | undefined {
    if (this.#few === undefined) return this.#many!.groups.get(text);
    for (const group of this.#few) if (group.asked.text === text) return group;
    return undefined;
  }

  #put(group: Group<M>): void {
    if (this.#few !== undefined && this.#few.length < MOST_FEW && group.asked.steps <= MOST_FEW_STEPS) {
      this.#few = [...this.#few, group];
      return;
    }
    if (this.#many === undefined) {
      this.#many = new ConditionGroups(this);
      for (const one of this.#few ?? []) this.#many.add(one);
      this.#few = undefined;
    }
    this.#many.add(group);
  }

  #take(group: Group<M>): void {
    if (this.#few !== undefined) this.#few = this.#few.filter((one) => one !== group);
    else this.#many!.remove(group);
  }
}

/** All that ask the same. */
class Group<M extends object> implements AskingGroup {
  readonly asked: AskedCondition;
  /** Of those beyond the steps of a change. */
  isTold = false;
  #members: Members<M>;

  constructor(asked: AskedCondition) {
    this.asked = asked;
  }

  get isEmpty(): boolean {
    return this.#members === undefined;
  }

  add(member: M): boolean {
    if (hasMember(this.#members, member)) return false;
    this.#members = withMember(this.#members, member);
    return true;
  }

  remove(member: M): boolean {
    if (!hasMember(this.#members, member)) return false;
    this.#members = withoutMember(this.#members, member);
    return true;
  }

  forEach(tell: (member: M, asked: AskedCondition) => void, count: StepCount): void {
    const members = this.#members;
    if (members === undefined) return;
    if (!(members instanceof Set)) {
      count.steps += 1;
      tell(members, this.asked);
      return;
    }
    for (const member of members) {
      count.steps += 1;
      tell(member, this.asked);
    }
  }
}

const MOST_FEW = 8;
const MOST_FEW_STEPS = 64;
