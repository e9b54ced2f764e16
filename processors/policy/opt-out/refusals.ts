// Opt-out: refusals in a person's own words. In: parts in comparable form. Out: which way of refusing it is. A
// way counts only as something asked of us: what is told of others, denied, or put off to another time is not.

import { foreignWays } from './refusals-foreign.js';

/** One way of refusing. */
export interface Way {
  readonly id: string;
  readonly pattern: RegExp;
}

const oneContacting =
  '(?:text(?:ing)?|txt(?:ing|in)?|textin|call(?:ing|in)?|messag(?:e|ing|in)|msg(?:ing)?|contact(?:ing)?|e ?mail(?:ing)?|phon(?:e|ing)|' +
  'ring(?:ing)?|send(?:ing)?|sendin|spam(?:ming)?|bother(?:ing|in)?|harr?as+(?:ing|in)?|bug(?:ging)?|disturb(?:ing)?|pester(?:ing)?|annoy(?:ing)?|' +
  'solicit(?:ing)?|writ(?:e|ing)|reach(?:ing)? out|hit(?:ting)? me up|blow(?:ing|in)? up|dial(?:ing|ling)?|sms(?:ing)?|whatsapp(?:ing)?|market(?:ing)?)';
const contacting = `${oneContacting}(?: (?:or|and|nor) ${oneContacting})*`;
const things =
  '(?:text ?messages?|texts?|txts?|messages?|messaging|msgs?|calls?|phone calls?|sms|mms|e ?mails?|spam|promos?|promotions?|offers?|ads?|' +
  'adverts?|advertisements?|advertising|marketing|notifications?|alerts?|communications?|contact|correspondence|robocalls?|robotexts?|solicitations?|updates?|newsletters?|reminders?|crap|bs|junk|stuff|nonsense|harr?assment)';
const plural =
  '(?:texts|text messages|txts|messages|msgs|calls|sms|e ?mails|promos|promotions|offers|ads|notifications|alerts|communications|robocalls|robotexts|updates|reminders|subscription to (?:texts|messages))';
const us =
  '(?:me|us|this number|this phone|this line|this person|my (?:number|phone|cell|mobile|line|house|home)|here)';
const some =
  '(?:(?:any|all|all of|these|those|this|the|your|ur|more|further|future|such|stupid|damn|fucking|freaking|annoying|unwanted|constant|other|kind of|of|with|w|with the|with all|about) )';
const asking =
  '(?:(?:please|pls|plz|kindly|just|hey|hi|hello|ok|okay|now|so|and|but|then|again|seriously|also|yes|no|yeah|nope|well|look|listen|sorry|thanks|um|uh|guys|dude|bro|man|nah|yo|omg please|no thank you|not interested|sir|maam|i said|i told you|i told you to|i have asked you to|i asked you to|ive asked you to|' +
  '(?:can|could|would|will) (?:you|u|ya|yall|you guys|someone)|you (?:need|have|had|ought|better)(?: to)?|you (?:must|should)|i (?:want|need) you(?: guys| all)? to|i would like you to|id like you to|' +
  'id appreciate it if you would|i (?:would )?ask (?:that )?you(?: to)?|i am asking you to|im asking you to|i demand (?:that )?you|i (?:want|need|wish|would like) to|id like to|i am trying to|for the last time|if you could|let me) ){0,8}';

/** English. Patterns look at one part; `b` of each is where a word begins. */
const englishWays: readonly Way[] = [
  {
    id: 'stop contacting',
    pattern: new RegExp(
      `\\b(?:stop|quit|cease|halt|discontinue) ${some}{0,6}(?:${contacting}|${things})\\b`,
    ),
  },
  {
    id: 'just stop',
    pattern: new RegExp(
      `^${asking}(?:stop|quit) (?:it|this|that|these|them|those|now|all|immediately|everything)(?: (?:now|please|pls|immediately|right now|already|thanks))*$`,
    ),
  },
  {
    id: 'ask to stop',
    pattern: new RegExp(
      `^${asking}(?:please |pls |plz )?stop(?: (?:please|pls|plz|now|immediately|already|thanks|thank you|right now|asap))*$`,
    ),
  },
  {
    id: 'end messages',
    pattern: new RegExp(
      `^${asking}(?:end|cancel|discontinue|terminate|kill) (?:(?:all|these|those|this|the|your|ur|any|such|my|of|future|stupid|annoying) )+${plural}\\b`,
    ),
  },
  {
    id: 'turn off',
    pattern: new RegExp(
      `^${asking}(?:turn off|disable|mute) (?:(?:all|these|those|this|the|your|any|my) )*${plural}\\b`,
    ),
  },
  {
    id: 'cancel text alerts',
    pattern: new RegExp(
      `^${asking}(?:cancel|end|stop) (?:my )?(?:(?:text|sms|message|messaging|marketing)(?: ${things}| subscription)?|texts|messages|text messages|sms|alerts)$`,
    ),
  },
  {
    id: 'do not contact',
    pattern: new RegExp(
      `\\b(?:do not|dont|dnt|dont you|do not ever|dont ever|never|not to|shouldnt|should not|must not|may not|cannot|better not) (?:ever |be |keep |try |attempt )?(?:to )?${contacting} ${some}{0,6}(?:${us}|${things})\\b`,
    ),
  },
  {
    id: 'never again',
    pattern: new RegExp(
      `\\b(?:do not|dont|dnt|never) (?:ever )?${contacting} (?:[a-z]+ ){0,3}(?:any ?more|again|ever)\\b`,
    ),
  },
  {
    id: 'no longer contact',
    pattern: new RegExp(`^${asking}no longer ${contacting} (?:${us})\\b`),
  },
  {
    id: 'does not want',
    pattern: new RegExp(
      `\\b(?:do not|dont|dnt|no longer|never) (?:wish|want|care|wanna|like|need)(?: to)? (?:be (?:contacted|called|texted|messaged|bothered|emailed|on|part of|solicited|spammed|disturbed)|(?:receive|recieve|get|have|hear|see|keep getting|keep receiving|talk|be getting|be receiving) (?:from|to|${some}{0,6}${things}|any|anything|these|this|your|more))`,
    ),
  },
  {
    id: 'does not want messages',
    pattern: new RegExp(
      `\\b(?:do not|dont|dnt|no longer|never) (?:wish|want|need|wanna)(?: for)? ${some}{1,6}${things}\\b`,
    ),
  },
  {
    id: 'does not want you to',
    pattern: new RegExp(
      `\\b(?:do not|dont|no longer) (?:want|need|wish for|like|authori[sz]e|allow|permit) (?:you|u|yall|you guys|anyone|anybody|your company) (?:to )?${contacting}\\b`,
    ),
  },
  {
    id: 'no more',
    pattern: new RegExp(`^${asking}no (?:more|further) (?:${some}{0,6}${things})\\b`),
  },
  {
    id: 'no more alone',
    pattern: new RegExp(
      `^${asking}(?:no more|no mas|enough|thats enough|that is enough|enough already)(?: please| pls| thanks| of this| of these)*$`,
    ),
  },
  { id: 'enough messages', pattern: new RegExp(`\\benough (?:with|of) ${some}{1,6}${things}\\b`) },
  {
    id: 'take off the list',
    pattern:
      /\b(?:take|remove|delete|drop|get|scratch|erase|strike|pull|unlist) (?:me|us|my (?:name|number|info|information|phone|phone number|cell|contact|contact info|contact information|details|data)|this number|this phone|our number|the number|number)(?: off| from| out of| off of)? (?:of |from )?(?:(?:any|all|all of|your|ur|this|the|these|that|whatever) ){0,6}(?:(?:text|texting|call|calling|contact|mailing|marketing|phone|sms|email|spam|distribution|subscriber|subscription|message|messaging|notification|robocall) ){0,4}(?:(?!wait|guest|price|wish|shopping|invit|grocery|party|class)[a-z]+ )?(?:list|lists|database|databases|system|systems|records|contacts|texts|messages|calls|messaging|rotation|subscribers|group text)\b/,
  },
  {
    id: 'take me off',
    pattern: new RegExp(
      `^${asking}(?:i (?:want|need|would like|wish) to (?:be )?|id like to be )?(?:(?:remove|delete|erase) (?:me|us|my (?:number|phone number|name|info|information|cell))|take (?:me|us|my number|this number) off|remove this number|removed)(?: (?:please|pls|plz|now|immediately|asap|thanks|thank you|this|of this|from this|off this|today|right now|already))*$`,
    ),
  },
  {
    id: 'have it removed',
    pattern:
      /\b(?:have|get|want) (?:me|us|my (?:name|number|phone number|info|information)|this number) (?:removed|deleted|taken off|unsubscribed|opted out)\b|\bwant (?:off|out of) (?:of )?(?:this|your|the|ur|these) (?:[a-z]+ )?(?:list|lists|texts|messages)\b/,
  },
  {
    id: 'off the list',
    pattern: new RegExp(
      `^${asking}(?:take |remove |get |delete |me )*(?:off|from|off of) (?:(?:of|the|your|ur|this|all|these|any) )*(?:(?:text|call|mailing|contact|marketing|sms) )?(?:list|lists)(?: please| pls| now| thanks)*$`,
    ),
  },
  {
    id: 'be removed',
    pattern:
      /\b(?:want|wish|like|need|ask|asked|asking|request|requested|requesting|demand) (?:me )?(?:to (?:be|get) )(?:removed|taken off|deleted|unsubscribed|opted out)\b/,
  },
  {
    id: 'unsubscribe',
    pattern: new RegExp(
      `^${asking}(?:how (?:do|can) i |how to |where do i |i (?:want|wish|need|would like|am trying|have tried|tried) to |im trying to |id like to |i |we |can i |may i |trying to |want to |wanna |need to ){0,4}unsubscri(?:be|bed|bing)\\b(?! (?:link|button|page|option|rate|rates|from (?!(?:the |all |your |ur |this |these |those |any |further |future |my )*(?:all|everything|list|lists|text|texts|message|messages|sms|mailing|marketing|alert|alerts|promo|promos|offers|emails?|notifications|communications|service|here|you)\\b)))`,
    ),
  },
  {
    id: 'opt out',
    pattern: new RegExp(
      `^${asking}(?:how (?:do|can) i |how to |i (?:want|wish|need|would like|choose|am trying|m trying) to |im |i am |id like to |i |we |can i |may i |please |let me |want to |wanna |need to ){0,4}(?:opt|opting|opted) (?:me |us |this number |my number )?out(?: (?:me|us|my (?:phone )?number|this number))?(?:$| (?:please|pls|now|thanks|immediately|asap|already|from|of (?:${some}{0,6}${things}|this|these|all|everything|future|receiving|your)))`,
    ),
  },
  {
    id: 'make it stop',
    pattern: new RegExp(
      `\\b(?:want|need|make|have|get|would like|wish) ${some}{0,6}(?:${plural}|this|it|these|all this) (?:to )?(?:stop|end|cease)\\b`,
    ),
  },
  {
    id: 'stop receiving',
    pattern: new RegExp(
      `\\bstop (?:receiving|recieving|getting) ${some}{0,6}(?:${plural}|these|this|them|any)\\b`,
    ),
  },
  {
    id: 'no more of these',
    pattern:
      /\b(?:do not|dont|dnt) (?:want|need|wish) (?:any ?|to (?:get|receive) )?(?:any )?more of (?:these|this|your|those|ur)\b/,
  },
  {
    id: 'never contact',
    pattern:
      /(?:^| )(?:do not|dont|dnt|never) (?:call|text|contact|message|msg|txt|solicit|(?:send|text|message) (?:me )?(?:anything|any ?more))(?: else| again| please| pls| ever)*$/,
  },
  {
    id: 'would rather not',
    pattern: new RegExp(
      `\\b(?:prefer|like|love|appreciate|glad|grateful|great|nice|better)(?: it)? if (?:you|u|yall)(?: guys)? (?:would )?(?:just )?(?:stop(?:ped)?|quit|didnt|did not|wouldnt) ${contacting}\\b`,
    ),
  },
  {
    id: 'consent revoked',
    pattern: /\b(?:consent|permission) (?:is |has been |hereby )*(?:revoked|withdrawn|rescinded)\b/,
  },
  {
    id: 'revoke',
    pattern:
      /\b(?:revoke|revoking|withdraw|withdrawing|rescind|retract|take back|cancel) (?:(?:my|our|any|all|the|prior|previous|express|your) )?(?:prior |previous |express |written )*(?:consent|permission|authorization|authorisation|agreement to be contacted|opt in)\b/,
  },
  {
    id: 'no consent',
    pattern:
      /\b(?:i|we) (?:do not|dont|did not|didnt|never|no longer) (?:give|gave|have given|grant)?(?: you)? ?(?:my |any )?(?:consent|permission)(?:ed)?\b|\byou (?:do not|dont|no longer) have (?:my |our |any )?(?:consent|permission)\b/,
  },
  {
    id: 'leave me alone',
    pattern:
      /\bleave (?:me|us) (?:the (?:hell|fuck|heck) )?alone\b|^(?:please |just |now )*(?:go away|get lost|buzz off|piss off|fuck off|f off|bugger off|back off)(?: now| please)*$/,
  },
  {
    id: 'lose my number',
    pattern:
      /\b(?:lose|loose|forget|delete|erase|trash|burn|throw away|toss|remove) (?:my|this|our) (?:number|phone number|contact|contact info|digits)\b/,
  },
  {
    id: 'do not call list',
    pattern:
      /\b(?:put|add|place|get|want|keep) (?:me|us|my number|this number|my name|our number)?(?: to be)? ?(?:on|to|onto) (?:(?:your|the|a|ur|that|company|internal|national) )*(?:do not|dont|no) (?:call|contact|text|disturb|solicit) ?(?:list|registry)?\b|\b(?:do not call|dnc) (?:list|registry) (?:me|please)\b|\badd (?:me|us|this number) to (?:your|the) dnc\b/,
  },
  { id: 'cease', pattern: /\bcease (?:and desist|all|any|contact|communication)/ },
  {
    id: 'knock it off',
    pattern: new RegExp(
      `^${asking}(?:knock it off|cut it out|make it stop)(?: please| already| now)*$`,
    ),
  },
  {
    id: 'no calls',
    pattern: new RegExp(
      `^${asking}no (?:calls|texts|messages|soliciting|solicitation|solicitations|solicitors)(?: please| pls| anymore| any more| ever| thanks)+$`,
    ),
  },
  {
    id: 'block',
    pattern:
      /\byou (?:just )?(?:wont|will not|dont|do not|never) stop (?:texting|calling|messaging|contacting|sending|bothering|harassing)\b/,
  },
];

/** Said of another person, denied, or asked: then the words are not a refusal of ours. */
const denies =
  /\b(?:(?:do not|dont|dnt|never|cant|cannot|wont|will not|didnt|did not|doesnt|does not|couldnt|without|not|no need to|unable to|wouldnt|would not|why did you|when did you|if i|if you|if we|should i|should we|did you|did i|before you|before i|after you|until you|until i) (?:[a-z]+ ){0,2}$|\b(?:he|she|him|her|his|hers|they|who|someone|somebody|(?<!you )people|bots?|scammers?|telemarketers?|spammers?|kids?|mom|dad|son|daughter|wife|husband|ex|boss|neighbou?rs?|friend|friends|brother|sister|school|bank|doctor|it|to not|them) (?:[a-z]+ ){0,4}$)/;

/** Put off, or only in another way: "do not call me before noon", "text me instead". */
const putsOff =
  /^(?:[a-z]+ ){0,4}?(?:before|until|till|til|after|between|during|while|unless|yet|tonight|today|tomorrow|right now|this (?:morning|afternoon|evening|week)|on (?:mondays?|tuesdays?|wednesdays?|thursdays?|fridays?|saturdays?|sundays?|weekends?|the weekend|my day off|my lunch)|at (?:work|night|this time|home|noon|\d+)|late|early|so (?:late|early|much|often)|instead|names?|crazy|silly|old|maam|sir|boss|mister|mr|mrs|ms|back|a (?:liar|taxi|cab)|when|because|just|if|surprised|any (?:trouble|time)|unsubscribe|about (?:the|my|that|it|him|her)|for (?:the|a|an) (?:[a-z]+ ?)?(?:appointment|order|delivery|interview|pickup|ride))\b/;

/** What may follow "do not call me" so that it still means never: "do not call me Bob" does not. */
const goesOn =
  /^$|^(?:again|any|ever|at all|please|pls|plz|thanks?|thank|or|and|on (?:this|my)|with|these|this|your|ur|from|more|i|im|ill|you|u|further|period|in the future|for (?:any|anything|marketing|sales)|about (?:your|this|these|any)|it|that|to (?:me|us|this)|texts?|messages?|msgs?|calls?|sms|spam|ads|offers|promos|stuff|junk|crap)\b/;

/** Another way to reach the person: then only this one is refused. */
const otherWay =
  /\binstead\b|\b(?:text|texts|texting|email|emails|call|calls|calling) (?:is|are|works?|only)\b|\bjust (?:call|text|email|message)\b|\b(?:call|text|email|e mail|message|write) (?:me|is better)\b|\bbetter\b/;

/** What makes a bare "stop" a refusal wherever it stands in a reply. */
export const refusing =
  /\b(?:wrong (?:number|person)|not interested|no thanks|no thank you|who (?:is|s|dis|dat|this|are you)|whos this|never signed|(?:didnt|did not|never) sign up|spam|scam|dont know you|reported|report (?:you|this)|not me|harr?ass|i said|unwanted|new number|or else|lawyer|attorney|sue|legal|police|fcc|block you|no|nah|nope|stop (?:it|this|texting|calling|sending))\b/;

/** "I unsubscribed by accident" asks for the contrary. */
const byMistake = /\b(?:by accident|by mistake|accident(?:al)?ly|mistakenly)\b/;

/** Messages of some kind: in another language, at another time. */
const onlySome = /^(?:in|on|at|by|in the|from my|about (?:my|the)) /;

interface Said {
  readonly id: string;
  readonly part: string;
  readonly before: string;
  readonly after: string;
  /** The parts that follow. */
  readonly next: readonly string[];
}

/** Whether nothing around it takes the refusal back. */
function isMeant({ id, part, before, after, next }: Said): boolean {
  if (always.has(id)) return true;
  const rest = next.join(' ');
  if (id.startsWith('unsubscribe') || id === 'opt out') return !byMistake.test(part);
  if (id === 'does not want messages') return !onlySome.test(after) && !putsOff.test(after);
  if (id === 'ask to stop') return rest === '' || part !== 'stop' || refusing.test(rest);
  if (id === 'never contact') return !otherWay.test(`${before} ${rest}`);
  if (putsOff.test(after) || /\binstead\b/.test(rest)) return false;
  return id !== 'do not contact' || goesOn.test(after);
}

/** Refusals that no circumstance of time makes smaller. */
const always = new Set([
  'take off the list',
  'revoke',
  'do not call list',
  'lose my number',
  'no more',
  'cease',
  'block',
  'no consent',
  'leave me alone',
  'be removed',
  'does not want',
  'does not want you to',
  'never again',
]);

/** The way in which one of the parts refuses; null where none does. */
export function refusalIn(parts: readonly string[]): string | null {
  for (const [index, part] of parts.entries()) {
    for (const { id, pattern } of englishWays) {
      const match = pattern.exec(part);
      if (match === null) continue;
      const before = part.slice(0, match.index);
      const after = part.slice(match.index + match[0].length).trimStart();
      const next = parts.slice(index + 1);
      const isDenied =
        id !== 'block' &&
        denies.test(before.replace(/\b(?:not interested|no thanks|no thank you)\b/g, ''));
      if (!isDenied && isMeant({ id, part, before, after, next })) return id;
    }
    for (const { id, pattern } of foreignWays) if (pattern.test(part)) return id;
  }
  return null;
}
